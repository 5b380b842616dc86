import { ShivError } from '../core/errors.ts'
import { harmless } from '../core/harmless.ts'
import type { DeployParams } from '../wire/messages.ts'
import { confirm } from './ask.ts'
import type { Invocation } from './command.ts'
import { inputError } from './parse.ts'
import { resolvePlace } from './workspace.ts'

/** What every request about an environment carries. Throws CLI_MISSING_ARGUMENT without --env. */
export function deployParams({ args, flags, cwd, environment, command }: Invocation): DeployParams {
  const env = flags.text('env')
  if (env === undefined) {
    const hint = `for example shiv ${[command.name, ...args].join(' ')} --env staging; the environments are those of shiv.yaml`
    throw inputError('CLI_MISSING_ARGUMENT', `shiv ${command.name} needs --env: where to?`, hint)
  }
  return {
    ...resolvePlace(args, cwd),
    env,
    environment,
    isConfirmed: flags.isOn('yes'),
    ...(flags.isOn('no-wait') && { waits: false }),
    ...(flags.isOn('force-conflicts') && { takesOver: true }),
    ...(flags.isOn('allow-dirty') && { allowsDirty: true }),
  }
}

/** Does `work`; where it wants a yes and somebody can be asked, asks and does it again. */
export async function withConfirmation<T>(
  invocation: Invocation,
  params: DeployParams,
  work: (params: DeployParams) => Promise<T>,
): Promise<T> {
  try {
    return await work(params)
  } catch (error) {
    const { terminal, flags } = invocation
    const isQuestion = error instanceof ShivError && error.code === 'DEPLOY_NEEDS_YES'
    if (!isQuestion || !terminal.canAsk || flags.wantsJson) throw error
    terminal.err([harmless(error.message), ...error.evidence.map((line) => `  ${harmless(line)}`), ''].join('\n'))
    if (!(await confirm('Go on?', invocation)))
      throw new ShivError('Nothing was deployed.', { code: 'INTERRUPTED', exit: 130, cause: error })
    return work({ ...params, isConfirmed: true })
  }
}
