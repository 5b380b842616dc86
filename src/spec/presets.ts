import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import type { Fault } from '../core/errors.ts'
import { camelCaseFields } from './camel.ts'
import { checkTree } from './issues.ts'
import type { DatabasePreset, LanguagePreset, PlatformPreset } from './model.ts'
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

/** Reads `languages/`, `databases/` and `platforms/` of each folder that is there; a later folder adds to or replaces an earlier one by name. */
export async function loadPresets(folders: string[], faults: Fault[]): Promise<Presets> {
  const presets: Presets = { languages: new Map(), databases: new Map(), platforms: new Map(), broken: new Set() }
  for (const folder of folders) {
    await loadKind(join(folder, 'languages'), languageSchema, toLanguage, presets.languages, presets.broken, faults)
    await loadKind(join(folder, 'databases'), databaseSchema, toDatabase, presets.databases, presets.broken, faults)
    await loadKind(join(folder, 'platforms'), platformSchema, toPlatform, presets.platforms, presets.broken, faults)
  }
  return presets
}

/** The `presets` folder that ships with shiv: beside the package.json of that name, upward from this module. */
export function ownPresetsDir(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (folder !== dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'shiv') break
    folder = dirname(folder)
  }
  return join(folder, 'presets')
}

async function loadKind<Written extends { name?: string | undefined }, Preset>(
  folder: string,
  schema: z.ZodType<Written>,
  convert: (written: Written & { name: string }) => Preset,
  into: Map<string, Preset>,
  broken: Set<string>,
  faults: Fault[],
): Promise<void> {
  if (!existsSync(folder)) return
  for (const entry of (await readdir(folder)).filter((name) => name.endsWith('.yaml')).toSorted()) {
    const source = await readSource(join(folder, entry), faults)
    const tree = source && parseTree(source, faults)
    const checked = tree && checkTree(schema, tree, faults)
    const name = basename(entry, '.yaml')
    if (tree === undefined || checked === undefined) {
      broken.add(name)
      continue
    }
    if (checked.data.name !== undefined && checked.data.name !== name) {
      const message = `the preset is named "${checked.data.name}", its file "${entry}"`
      faults.push(faultAt(valueSpan(tree, ['name']), { code: 'SPEC_BAD_NAME', message, hint: `write name: ${name}` }))
    }
    into.set(name, convert({ ...checked.data, name }))
  }
}

function toLanguage(written: z.infer<typeof languageSchema>): LanguagePreset {
  const preset = camelCaseFields(written) as LanguagePreset
  return { ...preset, env: texts(written.env), variants: preset.variants ?? [] }
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
