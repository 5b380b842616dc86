import { didYouMean } from '../core/suggest.ts'
import type { Draft } from './draft.ts'
import type { DatabaseUse } from './model.ts'

/** The databases of a service, versions and sizes filled in from their presets. */
export function resolveDatabases(draft: Draft): DatabaseUse[] {
  const { databases: presets, broken } = draft.presets
  const uses: DatabaseUse[] = []
  for (const [index, entry] of (draft.data.databases ?? []).entries()) {
    const [type, own] = Object.entries(entry)[0]!
    const path = ['databases', index, type]
    const preset = presets.get(type)
    if (preset === undefined && !broken.has(type)) {
      const hint = didYouMean(type, presets.keys())
      draft.faultAtKey(path, { code: 'SPEC_UNKNOWN_DATABASE', message: `there is no database preset "${type}"`, hint })
    }
    const name = typeof own === 'string' ? own : own.name
    if (uses.some((use) => use.name === name)) {
      draft.faultAtValue(path, {
        code: 'SPEC_DUPLICATE_NAME',
        message: `two databases have the name "${name}"`,
        hint: 'give each its own name',
      })
      continue
    }
    const version = draft.text([...path, 'version']) ?? preset?.version ?? ''
    const storage = draft.text([...path, 'storage']) ?? preset?.storage ?? ''
    uses.push({ type, name, version, storage })
  }
  return uses
}
