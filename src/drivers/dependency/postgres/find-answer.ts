import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandExchange, CommandPlayer } from '../recording/command-exchange.ts'
import type { FindAnswer } from './asked.ts'
import { rulesOf } from './judge.ts'
import { type Leg, readText, refusedBy } from './leg.ts'
import { createSqlReader, type ReadSql } from './read-sql.ts'
import { whyNotRecorded } from './requests.ts'
import { answerControl, type Statement } from './transaction.ts'

/** From the recording alone; what leads a transaction needs none. */
export function findInRecording(player: CommandPlayer, setting: DependencySetting): FindAnswer {
  const read = createGuard(setting)
  return async ({ request, statements, status }) => {
    const [first] = statements
    const control = statements.length === 1 && first ? answerControl(status, first) : undefined
    if (status === 'E' && control) return { frames: control, servedBy: 'recording' }
    const answer = await player.answer(request)
    if ('matched' in answer) return { frames: answer.matched, servedBy: 'recording' }
    if (control) return { frames: control, servedBy: 'recording' }
    const why = whyNotRecorded(statements)
    const { unmatched } = answer
    if (why !== undefined)
      return { unmatched: { message: `${why}.`, difference: [], hint: `shiv proxy mode ${setting.name} staging` } }
    return {
      unmatched:
        readText(read, request.command).refusal === undefined ? unmatched : { ...unmatched, hint: howToRecordWrite(setting) },
    }
  }
}

/** What the recording lacks is asked of the server, and recorded. Once the session there is open, all that changes a session goes there; what changed it before is done there first. */
export function findOrAsk({ player, recorder }: CommandExchange, setting: DependencySetting, leg: Leg): FindAnswer {
  const recorded = player && findInRecording(player, setting)
  const read = createGuard(setting)
  return async (asked, signal) => {
    const { request, statements } = asked
    const isSetting = statements.some(changesSession)
    // Several at once are the server's from the start: done there later they could do more than change the session.
    const isTheirs = isSetting && (leg.isOpen || (statements.length > 1 && statements.every(changesSession)))
    if (!isTheirs && recorded) {
      const found = await recorded(asked, signal)
      if ('frames' in found) {
        const [only] = statements.length === 1 ? statements : []
        if (!isSetting || !only || request.way === 'describe') return found
        const refused = refusedBy(setting, readText(read, request.command))
        if (refused !== undefined) return { frames: refused.frames, servedBy: 'guard', why: refused.refusedWhy! }
        leg.remember(request.command, only)
        return found
      }
      if (request.way === 'parse') return found
    }
    // The server does not know of a transaction that failed here.
    const isUndone = asked.status === 'E' && statements[0]?.control === 'commit'
    const told = isUndone ? { ...asked, request: { ...request, command: 'rollback' } } : asked
    const { frames, refusedWhy, isWhole, omittedWhy } = await leg.ask(told, signal)
    if (refusedWhy !== undefined) return { frames, servedBy: 'guard', why: refusedWhy }
    const why = whyNotRecorded(statements) ?? omittedWhy
    if (why !== undefined) recorder?.omit(request, why)
    else if (isWhole && asked.status !== 'E') recorder?.record(request, frames, { once: request.way === 'describe' })
    return { frames, servedBy: 'upstream' }
  }
}

function changesSession({ control, verb }: Statement): boolean {
  return control !== undefined || ['set', 'reset', 'discard', 'prepare', 'deallocate'].includes(verb)
}

/** Judges where only reads may pass, as far as that can be without a server. */
function createGuard({ access }: DependencySetting): ReadSql {
  if (access.level !== 'read_only') return createSqlReader()
  return createSqlReader(rulesOf({ volatile: new Set(), byDot: new Set() }, access.allow))
}

function howToRecordWrite({ name }: DependencySetting): string {
  return `it is a write, and ${name} is read-only: to record it write read_only: false under ${name} in service.yaml, then: shiv start && shiv proxy mode ${name} record`
}
