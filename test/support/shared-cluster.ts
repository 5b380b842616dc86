import { deleteTestCluster } from './cluster.ts'

/**
 * Runs once around all tests: gives the run a cluster name of its own, so that two runs at once do not meet, and deletes that cluster
 * with the last test. A cluster that was named by SHIV_TEST_CLUSTER is kept when SHIV_TEST_KEEP_CLUSTER is set.
 */
export default function setup(): () => Promise<void> {
  const isNamed = process.env['SHIV_TEST_CLUSTER'] !== undefined
  const isKept = isNamed && process.env['SHIV_TEST_KEEP_CLUSTER'] !== undefined
  process.env['SHIV_TEST_CLUSTER'] ??= `shiv-test-${process.pid}`
  return async () => {
    if (!isKept) await deleteTestCluster()
  }
}
