import { confineToBe } from './confine.ts'
import type { RemoteEntry } from './dependency-schema.ts'
import type { Draft } from './draft.ts'
import { resolveFaults, resolveRules } from './resolve-rules.ts'
import { resolveTarget } from './resolve-target.ts'
import type { Remote, RecordingRules } from './remote.ts'
import { valueSpan } from './tree.ts'

/** What a service calls: services of the workspace by name, and what is outside of it. */
export async function resolveDependencies(draft: Draft): Promise<{ dependencies: string[]; remotes: Remote[] }> {
  const dependencies = new Set<string>()
  const remotes: Remote[] = []
  for (const [index, entry] of (draft.data.dependencies ?? []).entries()) {
    if (typeof entry === 'string') {
      dependencies.add(entry)
      continue
    }
    const [name, written] = Object.entries(entry)[0]!
    const path = ['dependencies', index, name]
    if (dependencies.has(name) || remotes.some((remote) => remote.name === name)) {
      const message = `two dependencies have the name "${name}"`
      draft.faultAtKey(path, { code: 'SPEC_DUPLICATE_NAME', message, hint: 'give each its own name' })
      continue
    }
    const remote = await resolveRemote(draft, path, name, written)
    if (remote !== undefined) remotes.push(remote)
  }
  return { dependencies: [...dependencies], remotes }
}

async function resolveRemote(
  draft: Draft,
  path: (string | number)[],
  name: string,
  entry: RemoteEntry,
): Promise<Remote | undefined> {
  const resolved = resolveTarget(draft, path, name, entry)
  if (resolved === undefined) return undefined
  const { protocol, target } = resolved
  const file = entry.recording?.file ?? `recordings/${name}.${protocol === 'http' ? 'har' : 'jsonl'}`
  for (const [field, written] of [
    ['recording', file],
    ['tls', entry.tls?.ca],
  ] as const) {
    if (written === undefined) continue
    const at = valueSpan(draft.tree, [...path, field, field === 'tls' ? 'ca' : 'file'])
    await confineToBe(draft.workspaceRoot, written, at, draft.faults, field === 'tls')
  }
  return {
    name,
    ...resolved,
    mode: entry.mode ?? 'staging',
    access: {
      level: entry.read_only === false ? 'read_write' : 'read_only',
      allow: entry.allow ?? [],
    },
    rules: resolveRules(entry, draft.environments, target),
    ...(entry.faults !== undefined && { faults: resolveFaults(entry.faults) }),
    recording: { file, rules: recordingRules(entry), recordMissing: entry.recording?.missing === 'record' },
    hostnames: entry.hostnames ?? [],
    position: draft.position(path),
  }
}

function recordingRules({ recording = {} }: RemoteEntry): RecordingRules {
  const { ignore = {}, redact = {}, order = 'any' } = recording
  return {
    ignore: { query: ignore.query ?? [], headers: ignore.headers ?? [], body: ignore.body ?? [] },
    redact: {
      headers: redact.headers ?? [],
      cookies: redact.cookies ?? [],
      body: redact.body ?? [],
      patterns: redact.patterns ?? [],
    },
    order,
  }
}
