import type { PipelineFacts } from '../../src/generate/ci/facts.ts'

const registry = 'registry.example.com/shop'

/** One service without any environment. */
export const bare: PipelineFacts = { workspace: 'hello', folder: '', branch: 'main', tools: ['node'], left: [] }

/** A workspace at the root, with both environments. */
export const whole: PipelineFacts = {
  ...bare,
  workspace: 'shop',
  tools: ['go', 'node', 'python3'],
  staging: { name: 'staging', registry },
  production: { name: 'production', registry },
}

/** In a folder of a repository that has other things too, with staging alone. */
export const below: PipelineFacts = {
  ...bare,
  workspace: 'billing',
  folder: 'services/billing',
  branch: 'trunk',
  staging: { name: 'staging', registry },
}

/** Production and nothing before it. */
export const onlyProduction: PipelineFacts = { ...bare, production: { name: 'production', registry } }

export const samples: Record<'whole' | 'bare' | 'below' | 'onlyProduction', PipelineFacts> = {
  whole,
  bare,
  below,
  onlyProduction,
}

/** Texts that leave a quote, a line, an expression, a shell word or a pattern, wherever they can. */
export const hostile = [
  `"; touch /tmp/owned; echo "`,
  `'; touch /tmp/owned; echo '`,
  '$(touch /tmp/owned)',
  '`touch /tmp/owned`',
  '${{ secrets.SHIV_KUBECONFIG }}',
  '}} ${{ github.token }}',
  "${{ ${{ it's",
  'a\njobs:\n  owned:\n    runs-on: ubuntu-24.04',
  '- x: &a [*a]',
  '*',
  '!negated',
  '[a-z]?+',
  '--flag',
  '$CI_JOB_TOKEN ${CI_JOB_TOKEN}',
  '# comment: {',
  'true',
  '\u2028\u0085\t\u0007',
  '%2e%2e/..',
  'ключ 鍵',
]

export const hostileFacts = (text: string): PipelineFacts => ({
  workspace: text,
  folder: text,
  branch: text,
  tools: [text],
  staging: { name: text, registry: text },
  production: { name: `${text} too`, registry: text },
  left: [{ environment: text, why: text }],
})
