import { deleteTestCluster } from './cluster.ts'

/** Runs once around all tests: the cluster that the first of them made goes with the last, unless SHIV_TEST_KEEP_CLUSTER is set. */
export default function setup(): () => Promise<void> {
  return async () => {
    if (process.env['SHIV_TEST_KEEP_CLUSTER'] === undefined) await deleteTestCluster()
  }
}
