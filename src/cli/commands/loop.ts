import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { Loop, LoopsResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { renderLoops } from '../render/loop.ts'
import { locateRun, nothingRuns } from '../runs.ts'
import { traceEvents } from '../render/trace-events.ts'

const COUNT = 10

export async function run({ args, cwd, flags, terminal, signal }: Invocation): Promise<ExitCode> {
  const located = await locateRun(args, cwd, signal)
  if (!located) throw nothingRuns()
  const answer = await callDaemon<LoopsResult>({ method: 'loops', params: located.place }, { command: 'shiv loop', signal })
  const loops = chosen(answer.loops, flags.isOn('slowest'), flags.number('tail') ?? COUNT)
  const trace = flags.text('trace')
  if (trace !== undefined) await writeTrace(resolve(cwd, trace), loops)
  if (flags.wantsJson) printJson(terminal, { ...answer, loops })
  else if (loops.length === 0) printLines(terminal, ['no save was answered yet'])
  else printLines(terminal, renderLoops(loops, terminal.style))
  return 0
}

function chosen(loops: Loop[], bySlowness: boolean, count: number): Loop[] {
  if (!bySlowness) return loops.slice(-count)
  return [...loops].sort((a, b) => b.durationMs - a.durationMs).slice(0, count)
}

async function writeTrace(path: string, loops: Loop[]): Promise<void> {
  try {
    await writeFile(path, JSON.stringify(traceEvents(loops)))
  } catch (error) {
    throw new ShivError(`The trace could not be written: ${(error as Error).message}.`, {
      code: 'TRACE_NOT_WRITTEN',
      exit: 2,
      hint: 'name a file in a folder that exists: shiv loop --trace loops.json',
      cause: error,
    })
  }
}
