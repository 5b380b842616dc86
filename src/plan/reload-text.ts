import { posix } from 'node:path'
import type { ReloadRestart, ReloadRule } from '../spec/reload-policy.ts'

const SHOWN_GLOBS = 3

/** A rule as one line: `src/** → build by npm run build, dist to /app/dist`. */
export function ruleText(rule: ReloadRule): string {
  return `${globsText(rule.files)} → ${actionText(rule)}`
}

/** What becomes of the process: `restart`, `SIGHUP`, `no restart`. */
export function restartText(restart: ReloadRestart): string {
  if (restart === 'process') return 'restart'
  return restart === 'none' ? 'no restart' : restart.signal
}

function globsText(globs: string[]): string {
  const more = globs.length - SHOWN_GLOBS
  return more > 1 ? `${globs.slice(0, SHOWN_GLOBS).join(', ')} and ${more} more` : globs.join(', ')
}

function installText({ run, to, inContainer }: Extract<ReloadRule, { do: 'install' }>): string {
  const by = `install by ${run.join(' ')}`
  return inContainer ? `${by} in ${inContainer.image}, ${inContainer.makes} to ${posix.join(to, inContainer.makes)}` : by
}

function actionText(rule: ReloadRule): string {
  if (rule.do === 'ignore' || rule.do === 'image') return rule.do
  if (rule.do === 'sync') return `sync to ${rule.to}`
  if (rule.do === 'install') return installText(rule)
  return `build by ${rule.run.join(' ')}, ${rule.sync.from} to ${rule.sync.to}`
}
