import type { ExitCode } from '../../core/errors.ts'
import type { DeployResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { deployParams, withConfirmation } from '../deploy-params.ts'
import { withProgress } from '../with-progress.ts'
import { showDeployed } from './deploy.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const revision = invocation.flags.number('to')
  const result = await withConfirmation(invocation, deployParams(invocation), (params) =>
    withProgress<DeployResult>(invocation, {
      method: 'rollback',
      params: { ...params, ...(revision !== undefined && { revision }) },
    }),
  )
  showDeployed(invocation, result)
  return 0
}
