// `npm run bench:deploy [-- MEASURE…]`: what a deploy costs. Without names it takes all, and writes bench/RESULTS.md.
import { deployMeasures } from './measures/deploy.ts'
import { runMeasures } from './support/run.ts'

await runMeasures('bench:deploy', { embedded: {}, onKind: { deploy: deployMeasures } })
