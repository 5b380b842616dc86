import { ShivError } from '../core/errors.ts'
import type { RuntimeName } from '../plan/types.ts'
import type { Probe, Runtime } from './ports.ts'

export interface RuntimeChoice {
  runtime: Runtime
  why: string
}

/**
 * The runtime that was asked for; else the one the run had; else kind where this machine can do it; else process. A choice by name is
 * taken at its word when it lives already and probed otherwise. Throws the probe's code with exit 3.
 */
export async function chooseRuntime(choice: {
  asked: RuntimeName | undefined
  previous: { name: RuntimeName; isLive: boolean } | undefined
  /** Of the caller: a daemon that is older than a new PATH must not answer for it. */
  environment: NodeJS.ProcessEnv
  get(name: RuntimeName): Promise<Runtime>
}): Promise<RuntimeChoice> {
  const { asked, previous, environment, get } = choice
  const name = asked ?? previous?.name
  if (name !== undefined) {
    const runtime = await get(name)
    if (!(previous?.name === name && previous.isLive)) {
      const probe = await runtime.probe(environment)
      if (!probe.available) throw unavailable(name, probe, asked === undefined)
    }
    return { runtime, why: asked ? 'asked for' : 'as last time' }
  }
  const kind = await get('kind')
  const probe = await kind.probe(environment)
  if (probe.available) return { runtime: kind, why: probe.detail }
  return { runtime: await get('process'), why: probe.reason }
}

function unavailable(name: RuntimeName, probe: Exclude<Probe, { available: true }>, wasPrevious: boolean): ShivError {
  const other = name === 'process' ? undefined : 'shiv start --runtime process'
  const message = wasPrevious ? `This workspace ran on ${name} last time. ${probe.reason}` : probe.reason
  return new ShivError(message, {
    code: probe.code,
    exit: 3,
    hint: other ? `${probe.hint}; or without it: ${other}` : probe.hint,
  })
}
