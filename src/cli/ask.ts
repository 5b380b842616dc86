import { ShivError } from '../core/errors.ts'
import type { Invocation } from './command.ts'

/** Asks a question whose answer is yes only when it says so. Only call when `terminal.canAsk`. */
export async function confirm(question: string, invocation: Pick<Invocation, 'signal'>): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(`${question} [y/N] `, invocation.signal, false))
}

/** Asks for a value that is not shown while it is typed. */
export function askHidden(question: string, invocation: Pick<Invocation, 'signal'>): Promise<string> {
  return ask(question, invocation.signal, true)
}

async function ask(question: string, signal: AbortSignal, hidden: boolean): Promise<string> {
  // Loaded here: no other command should wait for them.
  const [{ createInterface }, { Writable }] = await Promise.all([import('node:readline/promises'), import('node:stream')])
  let muted = false
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!muted) process.stderr.write(chunk)
      done()
    },
  })
  const prompt = createInterface({ input: process.stdin, output, terminal: true })
  const interrupted = new AbortController()
  prompt.on('SIGINT', () => interrupted.abort())
  prompt.on('close', () => interrupted.abort())
  try {
    const answer = prompt.question(question, { signal: AbortSignal.any([signal, interrupted.signal]) })
    muted = hidden
    return (await answer).trim()
  } catch (error) {
    throw new ShivError('Interrupted before an answer.', { code: 'INTERRUPTED', exit: 130, cause: error })
  } finally {
    prompt.close()
    if (hidden) process.stderr.write('\n')
  }
}
