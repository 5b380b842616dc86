import { execa } from 'execa'
import { ShivError } from '../../core/errors.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import { settingOf, type ServiceScope } from './service-specs.ts'

/** Runs a command in a service's folder with its environment, ports aside of the first replica; its exit code is the result, never a throw. */
export async function execInService(
  scope: ServiceScope,
  service: string,
  argv: string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const setting = settingOf(scope, needService(scope.plan, service), argv)
  const [file = '', ...args] = setting.argv
  const result = await execa(file, args, {
    cwd: setting.cwd,
    env: setting.env,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    stripFinalNewline: false,
    cancelSignal: scope.context.signal,
  })
  if (result.code === 'ENOENT') {
    throw new ShivError(`There is no program \`${file}\` on PATH.`, {
      code: 'PROCESS_TOOL_MISSING',
      exit: 3,
      hint: `install ${file}`,
    })
  }
  return { code: result.exitCode ?? 1, stdout: result.stdout, stderr: result.stderr }
}

export function needService(plan: Plan, name: string): ServicePlan {
  const service = plan.services.find((service) => service.name === name)
  if (service !== undefined) return service
  throw new ShivError(`No service \`${name}\` is part of this run.`, {
    code: 'SERVICE_UNKNOWN',
    exit: 2,
    hint: `there are: ${plan.services.map(({ name }) => name).join(', ')}`,
  })
}
