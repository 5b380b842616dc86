import type { StartParams } from '../wire/messages.ts'
import type { Invocation } from './command.ts'
import { resolvePlace } from './workspace.ts'

/** What start, plan and parity ask the daemon for. */
export function startParams({ args, flags, cwd, environment }: Invocation): StartParams {
  const runtime = flags.text('runtime')
  return {
    ...resolvePlace(args, cwd),
    env: flags.text('env') ?? 'local',
    ...((runtime === 'kind' || runtime === 'process') && { runtime }),
    ...(flags.isOn('no-debug') && { debug: false }),
    environment,
  }
}
