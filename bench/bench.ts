// `npm run bench:bench [-- MEASURE…] [--trials N]`: whether `shiv bench` tells the truth. Without names it takes all, and writes bench/RESULTS.md. 100 trials take hours.
import { falseAlarms, measuringOverhead, plantedSlowdown } from './measures/bench-truth.ts'
import { runMeasures } from './support/run.ts'

const at = process.argv.indexOf('--trials')
const trials = at === -1 ? 100 : Number(process.argv.splice(at, 2)[1])
if (!Number.isInteger(trials) || trials < 1) throw new Error('--trials takes a number of trials, such as 20')

await runMeasures('bench:bench', {
  embedded: {
    planted: () => plantedSlowdown(trials),
    alarms: () => falseAlarms(trials),
    overhead: measuringOverhead,
  },
  onKind: {},
})
