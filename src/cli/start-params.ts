import type { StartParams } from '../wire/messages.ts'
import type { Invocation } from './command.ts'
import { locateRun } from './runs.ts'
import { findWorkspace, resolvePlace } from './workspace.ts'

/** What start asks the daemon for. */
export function startParams({ args, flags, cwd, environment }: Invocation): StartParams {
  const runtime = flags.text('runtime')
  return {
    ...resolvePlace(args, cwd),
    env: flags.text('env') ?? 'local',
    ...((runtime === 'kind' || runtime === 'process') && { runtime }),
    ...(flags.isOn('no-debug') && { debug: false }),
    ...(flags.isOn('no-reload') && { reload: false }),
    ...(flags.isOn('test') && { test: true }),
    environment,
  }
}

/** What plan and parity ask for: as start, but outside a workspace the services that run are meant. */
export async function paramsOfRun(invocation: Invocation): Promise<StartParams> {
  const { args, cwd, signal } = invocation
  if (findWorkspace(cwd) || args.some((word) => /[./\\]/.test(word))) return startParams(invocation)
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) return startParams(invocation)
  const { workspace, services } = located.run
  return {
    ...startParams({ ...invocation, args: [] }),
    path: workspace.root,
    services: args.length > 0 ? args : services.map(({ name }) => name),
  }
}
