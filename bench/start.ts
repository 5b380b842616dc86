// `npm run bench:start [-- MEASURE…]`: how long it takes until things run. Without names it takes all, and writes bench/RESULTS.md.
import { coldEmbedded } from './measures/cold-embedded.ts'
import { coldKind } from './measures/cold-kind.ts'
import { daemonIdle } from './measures/daemon-idle.ts'
import { imageDelivery } from './measures/image-delivery.ts'
import { noChangeEmbedded, warmKind } from './measures/warm-start.ts'
import { status } from './measures/status.ts'
import { runMeasures } from './support/run.ts'

await runMeasures('bench:start', {
  embedded: { status, 'cold-embedded': coldEmbedded, 'no-change-embedded': noChangeEmbedded, 'daemon-idle': daemonIdle },
  onKind: { 'warm-kind': warmKind, 'image-delivery': imageDelivery, 'cold-kind': coldKind },
})
