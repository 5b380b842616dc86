import type { ReloadAction, ReloadDefaultRule, ReloadDefaults } from './reload-policy.ts'
import type { WrittenDefaults, WrittenRule } from './reload-schema.ts'
import { wordsOf } from './words.ts'

/** What a preset wrote, its commands as words. */
export function readDefaults({ test, rules, ...settings }: WrittenDefaults): Partial<ReloadDefaults> {
  return {
    ...settings,
    ...(test !== undefined && { test: wordsOf(test) }),
    ...(rules !== undefined && { rules: rules.map((rule) => readRule(rule, rule.to ?? '/')) }),
  } as Partial<ReloadDefaults>
}

/** A checked rule; `to` is where the service's folder is in the container. */
export function readRule(rule: WrittenRule, to: string): ReloadDefaultRule {
  const { files, why, when } = rule
  return {
    files,
    ...(why !== undefined && { why }),
    ...(when !== undefined && { when }),
    ...actionOf(rule, to),
  } as ReloadDefaultRule
}

function actionOf(rule: WrittenRule, to: string): ReloadAction {
  const restart = rule.restart !== undefined && { restart: rule.restart }
  if (rule.do === 'ignore' || rule.do === 'image') return { do: rule.do }
  if (rule.do === 'sync') return { do: 'sync', to, ...restart }
  const run = wordsOf(rule.run ?? [])
  const env = rule.env && Object.fromEntries(Object.entries(rule.env).map(([name, value]) => [name, String(value)]))
  if (rule.do === 'install') {
    const { image, makes, reads = [] } = rule
    const inContainer = image !== undefined &&
      makes !== undefined && { inContainer: { image, makes, reads, ...(env && { env }) } }
    return { do: 'install', run, to, ...inContainer, ...restart }
  }
  return {
    do: 'build',
    run,
    ...(env && { env }),
    ...(rule.image !== undefined && { image: rule.image }),
    sync: rule.sync!,
    ...(rule.to !== undefined && { to: rule.to }),
    ...restart,
  }
}
