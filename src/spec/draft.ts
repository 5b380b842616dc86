import { dirname } from 'node:path'
import type { Fault } from '../core/errors.ts'
import type { Environment, Service, TemplatePart } from './model.ts'
import type { Presets } from './presets.ts'
import { faultAt, positionOf } from './source.ts'
import type { FaultText, Span } from './source.ts'
import type { ServiceFile } from './service-schema.ts'
import { keySpan, textAt, valueSpan } from './tree.ts'
import type { MapTree, Path } from './tree.ts'

/** A placeholder or `from`, and where it was written. */
export interface Reference {
  part: Exclude<TemplatePart, { kind: 'text' }>
  span: Span
}

/** A service, and the draft that it was made of. */
export interface Resolved {
  draft: Draft
  service: Service
}

/** One service.yaml in one environment on its way to a Service: its data, and where each of it was written. */
export class Draft {
  readonly tree: MapTree
  readonly data: ServiceFile
  /** Top-level fields of which something wrong was left out. */
  readonly incomplete: ReadonlySet<string>
  readonly root: string
  readonly workspaceRoot: string
  readonly workspaceName: string
  /** The one that it is in. */
  readonly environment: string
  readonly environments: Record<string, Environment>
  readonly presets: Presets
  readonly faults: Fault[]
  readonly references: Reference[] = []

  constructor(
    options: Pick<
      Draft,
      'tree' | 'data' | 'incomplete' | 'workspaceRoot' | 'workspaceName' | 'environment' | 'environments' | 'presets' | 'faults'
    >,
  ) {
    this.tree = options.tree
    this.data = options.data
    this.incomplete = options.incomplete
    this.workspaceRoot = options.workspaceRoot
    this.workspaceName = options.workspaceName
    this.environment = options.environment
    this.environments = options.environments
    this.presets = options.presets
    this.faults = options.faults
    this.root = dirname(options.tree.span.source.file)
  }

  faultAtKey(path: Path, fault: FaultText): void {
    this.faults.push(faultAt(keySpan(this.tree, path), fault))
  }

  faultAtValue(path: Path, fault: FaultText): void {
    this.faults.push(faultAt(valueSpan(this.tree, path), fault))
  }

  /** The scalar as written, `fallback` when there is none. */
  text(path: Path, fallback: string): string
  text(path: Path): string | undefined
  text(path: Path, fallback?: string): string | undefined {
    return textAt(this.tree, path) ?? fallback
  }

  position(path: Path) {
    return positionOf(keySpan(this.tree, path))
  }
}
