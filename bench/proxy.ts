// `npm run bench:proxy [-- MEASURE…]`: what the dependency proxy costs. Without names it takes all, and writes bench/RESULTS.md.
import {
  dependencyLatency,
  dependencyRecording,
  dependencyRequests,
  dependencyTransfer,
  dependencyWebSockets,
} from './measures/dependency-proxy.ts'
import { dependencyPostgres, dependencyRedis } from './measures/dependency-databases.ts'
import { runMeasures } from './support/run.ts'

await runMeasures('bench:proxy', {
  embedded: {
    requests: dependencyRequests,
    recording: dependencyRecording,
    latency: dependencyLatency,
    transfer: dependencyTransfer,
    websockets: dependencyWebSockets,
    postgres: dependencyPostgres,
    redis: dependencyRedis,
  },
  onKind: {},
})
