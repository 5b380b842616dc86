import { parseDuration } from '../../core/duration.ts'
import type { DeployCaller, Registry } from '../../engine/deploy/ports.ts'
import { connectEngine, type Engine, EngineError } from '../docker/engine.ts'
import { linesOf } from '../kubernetes/watch.ts'
import { credentialsFor, registryOf } from './credentials.ts'
import { registryProblem, registrySlow } from './problem.ts'

/** For a question, and how long nothing may move while an image is sent. */
const QUESTION_MS = 20_000
const STILL_MS = 60_000

/** What the engine says while it pushes, one object a line. */
interface PushLine {
  id?: string
  status?: string
  progressDetail?: { current?: number; total?: number }
  errorDetail?: { message?: string }
  error?: string
  aux?: { Digest?: string }
}

/**
 * Registries as the Docker engine reaches them: it knows their mirrors, certificates and insecure ones, and sends only layers that are not there. The
 * credentials are the user's own.
 */
export function createRegistry(): Registry {
  return {
    async digest(reference, caller) {
      const registry = registryOf(reference)
      const what = `${reference} cannot be looked up in`
      const { engine, headers } = await connect(registry, caller)
      const within = patience(caller, QUESTION_MS)
      const signal = AbortSignal.any([caller.signal, AbortSignal.timeout(within)])
      try {
        const path = `/distribution/${reference}/json`
        return (await engine.json<{ Descriptor: { digest: string } }>('GET', path, { headers, signal })).Descriptor.digest
      } catch (error) {
        caller.signal.throwIfAborted()
        if (signal.aborted) throw registrySlow(registry, what, within)
        if (!(error instanceof EngineError)) throw error
        // A registry that hides what you may not see says the same of what is not there: then sending it tells.
        if (isAbsent(error)) return undefined
        throw registryProblem(registry, what, error.message, error)
      }
    },
    async push(local, reference, caller, progress) {
      const registry = registryOf(reference)
      const what = 'The image cannot be sent to'
      const { engine, headers } = await connect(registry, caller)
      const [repository, tag] = splitTag(reference)
      if (local !== reference) {
        await engine.json('POST', `/images/${local}/tag?${new URLSearchParams({ repo: repository, tag })}`)
      }
      const still = stillness(patience(caller, STILL_MS))
      const signal = AbortSignal.any([caller.signal, still.signal])
      try {
        const path = `/images/${repository}/push?${new URLSearchParams({ tag })}`
        const answer = await engine.stream('POST', path, { headers, signal })
        const layers = new Map<string, string>()
        let digest: string | undefined
        for await (const line of linesOf(answer)) {
          const said = read(line)
          still.moved(line)
          const failure = said?.errorDetail?.message ?? said?.error
          if (failure !== undefined) throw registryProblem(registry, what, failure)
          if (said?.id !== undefined && said.status !== undefined) layers.set(said.id, said.status)
          if (layers.size > 0) progress(`${countSent(layers)} of ${layers.size} layers`)
          digest = said?.aux?.Digest ?? digest
        }
        if (digest !== undefined) return digest
        throw registryProblem(registry, what, 'it named no digest')
      } catch (error) {
        caller.signal.throwIfAborted()
        if (still.signal.aborted) throw registrySlow(registry, what, patience(caller, STILL_MS))
        throw error instanceof EngineError ? registryProblem(registry, what, error.message, error) : error
      } finally {
        still.end()
      }
    },
  }
}

async function connect(
  registry: string,
  { environment }: DeployCaller,
): Promise<{ engine: Engine; headers: Record<string, string> }> {
  const [engine, auth] = await Promise.all([connectEngine(environment), credentialsFor(registry, environment)])
  return { engine, headers: { 'x-registry-auth': urlSafe(Buffer.from(JSON.stringify(auth)).toString('base64')) } }
}

/** The engine takes credentials without padding for none at all, and says nothing. */
function urlSafe(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

function isAbsent({ status, message }: EngineError): boolean {
  if (/unauthorized|authentication required|incorrect username/i.test(message)) return false
  return status === 404 || status === 403 || /manifest unknown|name unknown|not found|no such manifest|denied/i.test(message)
}

function patience({ environment }: DeployCaller, fallbackMs: number): number {
  return parseDuration(environment['SHIV_REGISTRY_TIMEOUT'] ?? '') ?? fallbackMs
}

/** Aborts when the engine says nothing new for so long: it repeats itself while it waits for a registry. */
function stillness(ms: number): { signal: AbortSignal; moved(line: string): void; end(): void } {
  const controller = new AbortController()
  const arm = (): NodeJS.Timeout => setTimeout(() => controller.abort(), ms)
  let timer = arm()
  const seen = new Set<string>()
  return {
    signal: controller.signal,
    moved(line) {
      if (/Retrying in/.test(line) || seen.has(line)) return
      seen.add(line)
      clearTimeout(timer)
      timer = arm()
    },
    end: () => clearTimeout(timer),
  }
}

function countSent(layers: Map<string, string>): number {
  return [...layers.values()].filter((status) => /^(Pushed|Layer already exists|Mounted)/.test(status)).length
}

function splitTag(reference: string): [string, string] {
  const colon = reference.lastIndexOf(':')
  return colon > reference.lastIndexOf('/') ? [reference.slice(0, colon), reference.slice(colon + 1)] : [reference, 'latest']
}

function read(line: string): PushLine | undefined {
  try {
    return JSON.parse(line) as PushLine
  } catch {
    return undefined // a line that was cut: what follows tells
  }
}
