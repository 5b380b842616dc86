import { confine } from './confine.ts'
import type { Draft } from './draft.ts'
import type { BuildSpec } from './model.ts'
import { keySpan, valueSpan } from './tree.ts'

/** How the image comes to be; `context` and `dockerfile` are absolute, inside of the workspace, and there. */
export async function resolveBuild(draft: Draft): Promise<BuildSpec> {
  const { build = {}, language } = draft.data
  if (build.image !== undefined) return { kind: 'image', image: build.image }
  const at = (path: string, field: 'context' | 'dockerfile') => {
    const isWritten = build[field] !== undefined
    const span = isWritten ? valueSpan(draft.tree, ['build', field]) : keySpan(draft.tree, ['language'])
    return confine(draft.workspaceRoot, draft.root, path, span, draft.faults)
  }
  const context = (build.context === undefined ? undefined : await at(build.context, 'context')) ?? draft.root
  const written = build.dockerfile ?? (language === 'container' ? 'Dockerfile' : undefined)
  if (written === undefined) return { kind: 'preset', context }
  const dockerfile = (await at(written, 'dockerfile')) ?? draft.root
  const args = Object.keys(build.args ?? {}).map((name) => [name, draft.text(['build', 'args', name], '')])
  return {
    kind: 'dockerfile',
    context,
    dockerfile,
    ...(build.target !== undefined && { target: build.target }),
    args: Object.fromEntries(args) as Record<string, string>,
  }
}
