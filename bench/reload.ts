// `npm run bench:reload [-- MEASURE…]`: from a save to the first answer of the new code. Without names it takes all, and writes bench/RESULTS.md.
import { reloadEmbedded, reloadKind } from './measures/reload-node.ts'
import { reloadLanguages } from './measures/reload-languages.ts'
import { installsInPlace } from './measures/reload-install.ts'
import { requestsLost } from './measures/reload-load.ts'
import { branchSwitch, randomEdits } from './measures/reload-edits.ts'
import { proxyHop } from './measures/proxy-hop.ts'
import { watchRows } from './measures/watch.ts'
import { runMeasures } from './support/run.ts'

await runMeasures('bench:reload', {
  embedded: {
    'reload-embedded': reloadEmbedded,
    'lost-embedded': () => requestsLost('process'),
    watch: watchRows,
    'proxy-hop': proxyHop,
  },
  onKind: {
    'reload-kind': reloadKind,
    'reload-languages': reloadLanguages,
    'installs-kind': installsInPlace,
    'lost-kind': () => requestsLost('kind'),
    'random-edits': randomEdits,
    'branch-switch': branchSwitch,
  },
})
