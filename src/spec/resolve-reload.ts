import { readFile } from 'node:fs/promises'
import { posix, resolve } from 'node:path'
import type { Draft } from './draft.ts'
import { isInside } from './inside.ts'
import type { BuildSpec, LanguagePreset } from './model.ts'
import { readRule } from './read-reload.ts'
import type { ReloadAction, ReloadDefaults, ReloadPolicy, ReloadRule } from './reload-policy.ts'
import type { WrittenReload, WrittenRule } from './reload-schema.ts'
import type { Path } from './tree.ts'
import { wordsOf } from './words.ts'

/** How saves of the service's files become running code: its own rules, then its preset's. Undefined where service.yaml turns it off. */
export async function resolveReload(
  draft: Draft,
  preset: LanguagePreset | undefined,
  build: BuildSpec,
): Promise<ReloadPolicy | undefined> {
  const written = draft.data.reload ?? {}
  if (written === false || written === 'off') return undefined
  const defaults = preset?.reload
  const presetWorkdir = build.kind === 'preset' ? preset?.build.workdir : undefined
  const writtenWorkdir = written.workdir ?? presetWorkdir
  const workdir = writtenWorkdir && posix.resolve('/', writtenWorkdir)
  const { restart, spare = 'none', preload = [], overlap, browser, test } = { ...defaults, ...ownSettings(written) }
  if (spare === 'none' && written.preload !== undefined) {
    draft.faultAtKey(['reload', 'preload'], {
      code: 'SPEC_NO_SPARE',
      message: '"preload" has no meaning without a spare that loads it',
      hint: 'add spare: node or spare: python to reload, or remove preload',
    })
  }
  return {
    restart: restart ?? 'process',
    ...(spare !== 'none' && { spare }),
    ...(spare !== 'none' && preload.length > 0 && { preload }),
    overlap: overlap ?? false,
    browser: browser ?? false,
    ...(test !== undefined && { test }),
    ...(workdir !== undefined && { workdir }),
    rules: [...ownRules(draft, workdir), ...(await presetRules(draft, defaults, build))],
  }
}

function ownSettings({ rules: _rules, workdir: _workdir, test, ...settings }: WrittenReload): Partial<ReloadDefaults> {
  const known = Object.entries(settings).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(known), ...(test !== undefined && { test: wordsOf(test) }) }
}

function ownRules(draft: Draft, workdir: string | undefined): ReloadRule[] {
  const written = (draft.data.reload ?? {}) as WrittenReload
  return (written.rules ?? []).map((rule, index) => {
    const path = ['reload', 'rules', index]
    const needsPlace = (rule.do === 'sync' || rule.do === 'install') && rule.to === undefined
    if (needsPlace && workdir === undefined) {
      draft.faultAtKey(path, {
        code: 'SPEC_MISSING_FIELD',
        message: `"to" is missing: only the image knows where its code lies`,
        hint: 'add to: /app (the folder of the container), or workdir: /app to reload',
      })
    }
    checkPlaces(draft, rule, path, workdir)
    return { ...readRule(rule, rule.to ?? workdir ?? '/'), from: 'service.yaml', position: draft.position(path) }
  })
}

/** What is synced outside of the code's folder would meet a read-only file system. */
function checkPlaces(draft: Draft, rule: WrittenRule, path: Path, workdir: string | undefined): void {
  const places: { at: Path; to: string | undefined }[] = [
    { at: [...path, 'to'], to: rule.to },
    { at: [...path, 'sync', 'to'], to: rule.sync?.to },
  ]
  for (const { at, to } of places) {
    if (to === undefined || workdir === undefined || isInside(posix.resolve(workdir), posix.resolve(to))) continue
    draft.faultAtValue(at, {
      code: 'SPEC_OUTSIDE_WORKDIR',
      message: `"${to}" is not in ${workdir}, the folder of the image that holds the code`,
      hint: `write a path in ${workdir}, or do: image`,
    })
  }
}

const FOREIGN =
  'only its Dockerfile knows how dependencies are installed: add a rule with do: install, image and makes, or let it build another image'

/** Those of the preset that this service has, templates of its name filled. */
async function presetRules(draft: Draft, defaults: ReloadDefaults | undefined, build: BuildSpec): Promise<ReloadRule[]> {
  const from = `preset ${draft.data.language ?? 'container'}`
  const rules: ReloadRule[] = []
  for (const { when, ...rule } of defaults?.rules ?? []) {
    if (when !== undefined && !(await holds(draft, when))) continue
    const mine = named(rule, draft.data.name) as ReloadAction & { files: string[]; why?: string }
    // What is installed has to fit the image, and only that of the preset is known.
    const isForeign = mine.do === 'install' && mine.inContainer !== undefined && build.kind !== 'preset'
    rules.push({ ...(isForeign ? { do: 'image', files: mine.files, why: FOREIGN } : mine), from })
  }
  return rules
}

async function holds(draft: Draft, when: { file: string; contains?: string }): Promise<boolean> {
  const file = resolve(draft.root, named(when.file, draft.data.name) as string)
  if (!isInside(draft.workspaceRoot, file)) return false
  try {
    return (await readFile(file, 'utf8')).includes(when.contains ?? '')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // A folder of that name is there, without a text in it.
    if (code === 'EISDIR') return when.contains === undefined
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      const hint = `check its permissions: ls -l ${JSON.stringify(file)}`
      draft.faults.push({
        code: 'SPEC_UNREADABLE',
        message: `this file cannot be read: ${message}`,
        hint,
        file,
        line: 1,
        column: 1,
      })
    }
    return false
  }
}

/** The same with `${service.name}` filled in every text. */
function named(value: unknown, name: string): unknown {
  if (typeof value === 'string') return value.replaceAll('${service.name}', name)
  if (Array.isArray(value)) return value.map((item) => named(item, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, named(item, name)]))
}
