import { existsSync, readFileSync } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import type { Fault } from '../core/errors.ts'
import { camelCaseFields } from './camel.ts'
import { checkTree } from './issues.ts'
import type { DatabasePreset, LanguagePreset, PlatformPreset } from './model.ts'
import { readDefaults } from './read-reload.ts'
import { databaseSchema, languageSchema, platformSchema } from './preset-schema.ts'
import { faultAt, readSource } from './source.ts'
import { parseTree, valueSpan } from './tree.ts'

/** Presets by name. */
export interface Presets {
  languages: Map<string, LanguagePreset>
  databases: Map<string, DatabasePreset>
  platforms: Map<string, PlatformPreset>
  /** Names of presets whose file is wrong, so that nobody is told that they do not exist. */
  broken: Set<string>
}

/** Reads `languages/`, `databases/` and `platforms/` of `ownDir`, then of the workspace's `presets/`, which adds to or replaces them by name. */
export async function loadPresets(ownDir: string, workspaceRoot: string, faults: Fault[]): Promise<Presets> {
  const presets: Presets = { languages: new Map(), databases: new Map(), platforms: new Map(), broken: new Set() }
  const own = await realpath(ownDir)
  for (const { folder, root } of [
    { folder: own, root: own },
    { folder: join(workspaceRoot, 'presets'), root: workspaceRoot },
  ]) {
    await loadKind(join(folder, 'languages'), root, languageSchema, toLanguage, presets.languages, presets.broken, faults)
    await loadKind(join(folder, 'databases'), root, databaseSchema, toDatabase, presets.databases, presets.broken, faults)
    await loadKind(join(folder, 'platforms'), root, platformSchema, toPlatform, presets.platforms, presets.broken, faults)
  }
  return presets
}

/** The `presets` folder that ships with shiv: beside the package.json of that name, upward from this module. */
export function ownPresetsDir(): string {
  let folder = import.meta.dirname
  while (folder !== dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'shiv') break
    folder = dirname(folder)
  }
  return join(folder, 'presets')
}

type Convert<Written, Preset> = (written: Written & { name: string }) => Preset

async function loadKind<Written extends { name?: string | undefined }, Preset>(
  folder: string,
  root: string,
  schema: z.ZodType<Written>,
  convert: Convert<Written, Preset>,
  into: Map<string, Preset>,
  broken: Set<string>,
  faults: Fault[],
): Promise<void> {
  for (const entry of await filesIn(folder)) {
    const preset = await readPreset(join(folder, entry), root, schema, convert, faults)
    if (preset === undefined) broken.add(basename(entry, '.yaml'))
    else into.set(basename(entry, '.yaml'), preset)
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    // Each of these folders may be absent.
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  return names.filter((name) => name.endsWith('.yaml')).toSorted()
}

/** Presets read before, by file, with what tells that the file is still the same: reading them all takes 25 ms, asking for them 1. */
const remembered = new Map<string, { stamp: string; preset: unknown }>()

async function readPreset<Written extends { name?: string | undefined }, Preset>(
  file: string,
  root: string,
  schema: z.ZodType<Written>,
  convert: Convert<Written, Preset>,
  faults: Fault[],
): Promise<Preset | undefined> {
  const { ino, size, mtimeMs } = await lstat(file)
  const stamp = `${ino} ${size} ${mtimeMs}`
  const before = remembered.get(file)
  if (before?.stamp === stamp) return structuredClone(before.preset) as Preset
  const source = await readSource(file, root, faults)
  const tree = source && parseTree(source, faults)
  const checked = tree && checkTree(schema, tree, faults)
  if (tree === undefined || checked === undefined) return undefined
  const name = basename(file, '.yaml')
  if (checked.data.name !== undefined && checked.data.name !== name) {
    const message = `the preset is named "${checked.data.name}", its file "${name}.yaml"`
    faults.push(faultAt(valueSpan(tree, ['name']), { code: 'SPEC_BAD_NAME', message, hint: `write name: ${name}` }))
  }
  const preset = convert({ ...checked.data, name })
  if (faults.length === 0) remembered.set(file, { stamp, preset: structuredClone(preset) })
  return preset
}

function toLanguage(written: z.infer<typeof languageSchema>): LanguagePreset {
  const preset = camelCaseFields(written) as LanguagePreset
  const variants = (written.variants ?? []).map(({ reload }, index) => ({
    ...preset.variants[index]!,
    ...(reload !== undefined && { reload: readDefaults(reload) }),
  }))
  const reload = written.reload && readDefaults(written.reload)
  return { ...preset, env: texts(written.env), ...(reload !== undefined && { reload: { rules: [], ...reload } }), variants }
}

function toDatabase(written: z.infer<typeof databaseSchema>): DatabasePreset {
  const preset = camelCaseFields(written) as DatabasePreset
  const container = { ...preset.container, env: texts(written.container.env), resources: texts(preset.container.resources) }
  return {
    ...preset,
    version: String(written.version),
    storage: String(written.storage),
    container: container as unknown as DatabasePreset['container'],
    offersWhenSole: preset.offersWhenSole ?? {},
  }
}

function toPlatform(written: z.infer<typeof platformSchema>): PlatformPreset {
  const preset = camelCaseFields(written) as PlatformPreset
  const { cpu_target: target } = written.scaling
  return {
    ...preset,
    scaling: { ...preset.scaling, ...(target !== undefined && { cpuTarget: Number.parseInt(String(target), 10) }) },
    resources: texts(preset.resources) as unknown as PlatformPreset['resources'],
    logging: { env: { structured: texts(written.logging.env.structured), plain: texts(written.logging.env.plain) } },
    ...(written.quota !== undefined && { quota: texts(written.quota) }),
  }
}

function texts(map: object | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [key, String(value)]))
}
