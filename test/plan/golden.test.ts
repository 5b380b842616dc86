import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { renderManifests } from '../../src/plan/manifests.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import type { KubeObject } from '../../src/plan/types.ts'
import { fullModel } from './fixture.ts'

const root = join(import.meta.dirname, '../..')
const golden = join(root, 'test/golden/manifests')

/** As manifests, without the text of the reload helper: it has tests of its own. */
function shown(objects: KubeObject[]): string {
  const named = objects.map((object) => {
    const scripts = object.metadata.name === 'shiv-reload' ? (object['data'] as Record<string, string>) : undefined
    if (!scripts) return object
    return { ...object, data: Object.fromEntries(Object.keys(scripts).map((name) => [name, '(a script)'])) }
  })
  return renderManifests(named).replaceAll(/(shiv.dev\/reload-tools:) \w+/g, '$1 (hash of the scripts)')
}

/** `npx vitest run test/plan/golden.test.ts -u` writes them anew; read the diff before you commit it. */
describe('golden manifests', () => {
  test('of a service with everything', async () => {
    const plan = buildPlan(fullModel)
    await expect(renderManifests(plan.objects)).toMatchFileSnapshot(join(golden, 'everything.production.yaml'))
    const local = localise(plan, 'kind', fullModel)
    await expect(shown(local.objects)).toMatchFileSnapshot(join(golden, 'everything.kind.yaml'))
  })

  for (const name of ['user-service', 'orders', 'reports']) {
    const folder = join(root, 'examples', name)
    test.skipIf(!existsSync(join(folder, 'service.yaml')))(`of examples/${name}`, async () => {
      const model = await loadWorkspace(folder, { environment: 'local' })
      const plan = buildPlan(model, { services: [name] })
      await expect(renderManifests(plan.objects)).toMatchFileSnapshot(join(golden, `${name}.production.yaml`))
      const local = localise(plan, 'kind', model)
      await expect(shown(local.objects)).toMatchFileSnapshot(join(golden, `${name}.kind.yaml`))
    })
  }
})
