import { stringify } from 'yaml'
import type { KubeObject } from './types.ts'

/** The objects as YAML documents in apply order, as `kubectl apply -f -` reads them. */
export function renderManifests(objects: KubeObject[]): string {
  return objects.map((object) => `---\n${stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })}`).join('')
}
