import { expect, it } from 'vitest'
import { type Agent, StreamLost, openAgent } from '../../../src/drivers/sync/agent.ts'
import { createAnswerReader } from '../../../src/drivers/sync/answers.ts'
import { frameOf } from '../../../src/drivers/sync/frame.ts'
import type { Transport } from '../../../src/drivers/sync/transport.ts'

const HELLO = 'hello 1 boot 0 - running 0 1 0\n'

/** An agent that says what the test wants. */
function scripted(): { transport: Transport; say(text: string | Buffer): void; isClosed(): boolean } {
  let listener: (bytes: Buffer) => void = () => {}
  let end: (why: string) => void = () => {}
  let isClosed = false
  return {
    isClosed: () => isClosed,
    say: (text) => listener(Buffer.from(text)),
    transport: {
      write: async () => {},
      onData: (given) => (listener = given),
      closed: new Promise((resolve) => (end = resolve)),
      close() {
        isClosed = true
        end('closed')
      },
    },
  }
}
async function greeted(): Promise<ReturnType<typeof scripted> & { agent: Agent }> {
  const one = scripted()
  const opening = openAgent(one.transport)
  one.say(HELLO)
  return { ...one, agent: await opening }
}

it('an answer that does not end loses the stream, and whoever waits hears it', async () => {
  const { agent, say, isClosed } = await greeted()
  const asked = agent.ping()
  const lost = expect(asked).rejects.toThrow(StreamLost)
  for (let n = 0; n < 65; n++) say(Buffer.alloc(1024, 'x'))
  await lost
  expect(isClosed()).toBe(true)
})

it('a path that does not end loses the stream too', async () => {
  const { agent, say } = await greeted()
  const lost = expect(agent.apply(1, 'mark', frameOf([]))).rejects.toThrow(/more than 65536 bytes/)
  say('refused no space\n')
  for (let n = 0; n < 65; n++) say(Buffer.alloc(1024, '\n'))
  await lost
})

it('hashes without an end lose the stream', async () => {
  const { agent, say } = await greeted()
  const lost = expect(agent.hashes(['./a'])).rejects.toThrow(/more hashes/)
  const lines = Buffer.from(`= ${'0'.repeat(1000)}\n`.repeat(100))
  for (let n = 0; n < 45; n++) say(lines)
  await lost
})

it('what was not sent is not refused', async () => {
  const { agent, say } = await greeted()
  const applying = agent.apply(1, 'mark', frameOf([]))
  await new Promise(setImmediate)
  for (let n = 0; n < 100; n++) say(`refused no space\n./invented-${n}\0`)
  say('applied 1 100\n')
  expect((await applying).refused.size).toBe(0)
})

it('a long answer in many pieces is one answer', () => {
  const heard: unknown[] = []
  const read = createAnswerReader((answer) => heard.push(answer))
  const path = `./${'d/'.repeat(1900)}f`
  for (const byte of Buffer.from(`refused no space\n${path}\0applied 3 1\n`)) read(Buffer.from([byte]))
  expect(heard).toEqual([
    { kind: 'refused', cause: 'no space', path },
    { kind: 'applied', sequence: 3, refused: 1 },
  ])
})
