import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { didYouMean } from '../core/suggest.ts'
import type { Draft } from './draft.ts'
import type { LanguagePreset, PlatformPreset, Service } from './model.ts'
import { resolveBuild } from './resolve-build.ts'
import { resolveDatabases } from './resolve-databases.ts'
import { resolveDependencies } from './resolve-dependencies.ts'
import { resolveEnv } from './resolve-env.ts'
import { resolveReload } from './resolve-reload.ts'
import { resolveResources, resolveScaling } from './resolve-size.ts'
import { resolveHealth, resolveObservability, resolvePorts } from './resolve-traffic.ts'
import { withVariant } from './variant.ts'
import { wordsOf } from './words.ts'

/** One service with every default filled in from its presets. What names nothing goes to the draft's faults; the rest is resolved all the same. */
export async function resolveService(draft: Draft, platform: PlatformPreset): Promise<Service> {
  const { data } = draft
  const language = data.language ?? 'container'
  const preset = languagePreset(draft, language)
  const variant = preset && (await matchVariant(preset, draft.root, data.name))
  const ports = resolvePorts(draft, preset)
  const build = await resolveBuild(draft)
  const reload = await resolveReload(draft, preset && withVariant(preset, variant), build)
  return {
    name: data.name,
    language,
    ...(variant !== undefined && { variant }),
    root: draft.root,
    position: draft.position(['name']),
    ports,
    ...(data.command !== undefined && { command: wordsOf(data.command) }),
    build,
    health: resolveHealth(draft, ports, preset, platform),
    env: resolveEnv(draft),
    resources: resolveResources(draft, platform),
    scaling: resolveScaling(draft, platform),
    databases: resolveDatabases(draft),
    observability: resolveObservability(draft, ports, platform),
    volumes: (data.volumes ?? []).map((volume, index) => ({ ...volume, size: draft.text(['volumes', index, 'size'], '') })),
    workers: (data.workers ?? []).map(({ name, command, replicas = 1 }) => ({ name, command: wordsOf(command), replicas })),
    cron: (data.cron ?? []).map(({ name, schedule, command }) => ({ name, schedule, command: wordsOf(command) })),
    ...(data.migrate !== undefined && { migrate: wordsOf(data.migrate) }),
    ...(await resolveDependencies(draft)),
    ...(reload !== undefined && { reload }),
    patches: (data.patches ?? []).map((patch, index) => ({ ...patch, position: draft.position(['patches', index]) })),
  }
}

function languagePreset(draft: Draft, name: string): LanguagePreset | undefined {
  const { languages, broken } = draft.presets
  const { language, build } = draft.data
  if (language === undefined) {
    const hasImage = build?.image !== undefined || build?.dockerfile !== undefined
    if (hasImage || draft.incomplete.has('language') || draft.incomplete.has('build')) return languages.get('container')
    const known = [...languages.keys()].toSorted().join(', ')
    const hint = `add a line such as: language: node (known: ${known}), or build: { dockerfile: Dockerfile }`
    draft.faultAtKey([], { code: 'SPEC_MISSING_FIELD', message: '"language" is missing', hint })
    return undefined
  }
  if (!languages.has(name) && !broken.has(name)) {
    const hint = didYouMean(name, languages.keys())
    draft.faultAtValue(['language'], { code: 'SPEC_UNKNOWN_LANGUAGE', message: `there is no language preset "${name}"`, hint })
  }
  return languages.get(name)
}

async function matchVariant(preset: LanguagePreset, root: string, service: string): Promise<string | undefined> {
  for (const { name, when } of preset.variants)
    if (await exists(join(root, when.file.replaceAll('${service.name}', service)))) return name
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
