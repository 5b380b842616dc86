import { execa } from 'execa'
import { interleave, timed, type Row } from '../support/measure.ts'
import { openShiv, shivBin, tinyService, writeTree } from '../../test/support/own-shiv.ts'

/** `shiv status` with a run to show, against `node -e 0`. */
export async function status(): Promise<Row[]> {
  const bench = await openShiv('status')
  try {
    await writeTree(bench.folder, tinyService('hello'))
    await bench.shiv(['start', 'hello', '--runtime', 'process'])
    const run = (argv: string[]) => () =>
      timed(() => execa(process.execPath, argv, { cwd: `${bench.folder}/hello`, env: bench.env, stdin: 'ignore' }))
    const { a, b } = await interleave(40, run([shivBin, 'status']), run(['-e', '0']), 3)
    return [
      {
        measure: '`shiv status`',
        unit: 'ms',
        samples: a,
        baseline: { name: '`node -e 0`', samples: b },
        aim: '≤ bare node + 25 ms',
        met: ({ median, baseline }) => median <= baseline! + 25,
      },
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: `${bench.folder}/hello`, reject: false })
    await bench.close()
  }
}
