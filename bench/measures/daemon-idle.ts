import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Row } from '../support/measure.ts'
import { openShiv, tinyService, writeTree } from '../../test/support/own-shiv.ts'

const windows = 3
const windowMs = 20_000

/** Memory and processor time of a daemon that keeps one run and is asked nothing. */
export async function daemonIdle(): Promise<Row[]> {
  const bench = await openShiv('idle')
  try {
    await writeTree(bench.folder, tinyService('hello'))
    await bench.shiv(['start', 'hello', '--runtime', 'process'])
    const { pid } = JSON.parse(await bench.shiv(['status', '--all', '--json'])).daemon as { pid: number }
    await pause(5_000)
    const memory: number[] = []
    const processor: number[] = []
    for (let i = 0; i < windows; i++) {
      const before = readUsage(pid)
      await pause(windowMs)
      const after = readUsage(pid)
      memory.push(after.rssMb)
      processor.push((after.cpuSeconds - before.cpuSeconds) * (60_000 / windowMs))
    }
    return [
      { measure: 'daemon idle, memory', unit: 'MB', samples: memory, aim: '≤ 90 MB RSS', met: ({ median }) => median <= 90 },
      {
        measure: 'daemon idle, processor',
        unit: 's/min',
        samples: processor,
        aim: '≤ 0.2 CPU s/min',
        met: ({ median }) => median <= 0.2,
      },
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: `${bench.folder}/hello`, reject: false })
    await bench.close()
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** From /proc (proc(5): fields 14 and 15 of stat are user and system ticks). */
function readUsage(pid: number): { rssMb: number; cpuSeconds: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return { rssMb: rssKb / 1024, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticks }
}
