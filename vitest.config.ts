import { defineConfig } from 'vitest/config'

/** What needs Docker or a cluster, the machine's whole attention, or both: one file after the other, when the rest is done. */
const heavy = [
  'test/contract/kind-*.test.ts',
  'test/drivers/{docker,kind,kubernetes}/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/presets/{languages,databases}.test.ts',
]
/** On a CI machine that does other things too, a real process or cluster is given a second chance; the reporter names each test that took it. */
const retry = process.env['CI'] ? 1 : 0
const node_modules = '**/node_modules/**'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'rooms',
          retry,
          include: ['test/**/*.test.ts'],
          exclude: [node_modules, ...heavy],
          globalSetup: ['test/support/build-once.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'whole',
          retry,
          include: heavy,
          exclude: [node_modules],
          globalSetup: ['test/support/build-once.ts', 'test/support/shared-cluster.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
