import { basename, isAbsolute, relative } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import { tellingLine } from '../../core/telling-line.ts'
import { listeningPorts, portOwner } from './port-owner.ts'
import type { ProcessSpec } from './process-spec.ts'

/** A process that ended by itself: what it said last, and what that usually means. */
export function explainCrash(spec: ProcessSpec, how: string, evidence: string[]): ShivError {
  const last = tellingLine(evidence)
  return new ShivError(`${spec.replica} ${how}${last === undefined ? '' : `: ${last}`}`, {
    code: spec.kind === 'database' ? 'DATABASE_CRASHED' : 'PROCESS_CRASHED',
    evidence,
    hint: crashHint(spec, evidence.join('\n')),
  })
}

/** A process that lives and does not get healthy in time. */
export function explainUnhealthy(
  spec: ProcessSpec,
  reason: string,
  identity: ProcessIdentity | undefined,
  evidence: string[],
): ShivError {
  return new ShivError(`${spec.replica} runs but is not healthy: ${reason} (${spec.health.describe}).`, {
    code: spec.kind === 'database' ? 'DATABASE_UNHEALTHY' : 'PROCESS_UNHEALTHY',
    evidence,
    hint: unhealthyHint(spec, reason, identity),
  })
}

function crashHint(spec: ProcessSpec, output: string): string {
  if (/EADDRINUSE|address already in use/i.test(output)) {
    const named = /(?:port[ :]+|:)(\d{2,5})\b/i.exec(/.*(?:EADDRINUSE|address already in use).*/i.exec(output)?.[0] ?? '')?.[1]
    const port = named === undefined ? Object.values(spec.ports)[0] : Number(named)
    const owner = port === undefined ? undefined : portOwner(port)
    const who = owner === undefined ? '' : ` is used by ${owner.command} (pid ${owner.pid})`
    const listen = 'listen on the port in the environment variable PORT, which shiv picks so that it is free'
    return port === undefined ? listen : `port ${port}${who || ' is taken'}; ${listen}`
  }
  const module = /Cannot find (?:module|package) '([^']+)'|ModuleNotFoundError: No module named '([^']+)'/.exec(output)
  const path = module?.[1] ?? /can't open file '([^']+)'/.exec(output)?.[1]
  if (path !== undefined && isAbsolute(path)) return missingFileHint(spec, relative(spec.cwd, path))
  if (module)
    return `the dependency ${module[1] ?? module[2]} is not installed: add it to the service's dependencies and start again`
  return `see all of it: shiv logs ${spec.source}`
}

/** A file of the service's own: what it is started with, or what one of its files imports. */
function missingFileHint(spec: ProcessSpec, file: string): string {
  if (!spec.argv.includes(file)) return `there is no ${file}: check the path where it is imported`
  return `there is no ${file}: build it, or say in service.yaml what starts the service, such as command: [${basename(spec.argv[0]!)}, FILE]`
}

function unhealthyHint(spec: ProcessSpec, reason: string, identity: ProcessIdentity | undefined): string {
  const expected = Object.values(spec.ports)
  const strays = identity === undefined ? [] : listeningPorts(identity.pid).filter((port) => !expected.includes(port))
  const wanted = expected[0]
  if (wanted !== undefined && reason.startsWith('nothing listens') && strays.length > 0) {
    return `it listens on ${strays.join(', ')} instead of the port in PORT (${wanted}): let the service read the environment variable PORT`
  }
  if (/answers 404/.test(reason)) return 'set `health:` in service.yaml to a path that the service answers'
  return `see what it does: shiv logs ${spec.source}; a slow start may take longer with \`health: { startup_seconds: … }\``
}
