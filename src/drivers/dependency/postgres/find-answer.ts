import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandExchange, CommandPlayer } from '../recording/command-exchange.ts'
import type { FindAnswer } from './asked.ts'
import { rulesOf } from './judge.ts'
import type { Leg } from './leg.ts'
import { createSqlReader } from './read-sql.ts'
import { whyNotRecorded } from './requests.ts'
import { answerControl, type Statement } from './transaction.ts'

/** From the recording alone; what leads a transaction needs none. */
export function findInRecording(player: CommandPlayer, setting: DependencySetting): FindAnswer {
  const isRead = readsOnly(setting)
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
    return { unmatched: isRead(request.command) ? unmatched : { ...unmatched, hint: howToRecordWrite(setting) } }
  }
}

/** What the recording lacks is asked of the server, and recorded. Once the session there is open, all that changes a session goes there. */
export function findOrAsk({ player, recorder }: CommandExchange, setting: DependencySetting, leg: Leg): FindAnswer {
  const recorded = player && findInRecording(player, setting)
  return async (asked, signal) => {
    const { request, statements } = asked
    const isSetting = statements.some(changesSession)
    if (!(isSetting && leg.isOpen) && recorded) {
      const found = await recorded(asked, signal)
      if ('frames' in found) {
        if (isSetting && request.way !== 'describe') leg.remember(request.command, statements)
        return found
      }
      if (request.way === 'parse') return found
    }
    // The server does not know of a transaction that failed here.
    const isUndone = asked.status === 'E' && statements[0]?.control === 'commit'
    const told = isUndone ? { ...asked, request: { ...request, command: 'rollback' } } : asked
    const { frames, refusedWhy, isWhole } = await leg.ask(told, signal)
    if (refusedWhy !== undefined) return { frames, servedBy: 'guard', why: refusedWhy }
    const why = whyNotRecorded(statements)
    if (why !== undefined) recorder?.omit(request, why)
    else if (isWhole && asked.status !== 'E') recorder?.record(request, frames, { once: request.way === 'describe' })
    return { frames, servedBy: 'upstream' }
  }
}

function changesSession({ control, verb }: Statement): boolean {
  return control !== undefined || ['set', 'reset', 'discard', 'prepare', 'deallocate'].includes(verb)
}

/** Whether a statement would pass where only reads may, as far as that is known without a server. */
function readsOnly({ access }: DependencySetting): (sql: string) => boolean {
  if (access.level !== 'read_only') return () => true
  const read = createSqlReader(rulesOf({ volatile: new Set(), byDot: new Set() }, access.allow))
  return (sql) => read(Buffer.from(sql).toString('latin1'), true).refusal === undefined
}

function howToRecordWrite({ name }: DependencySetting): string {
  return `it is a write, and ${name} is read-only: to record it write read_only: false under ${name} in service.yaml, then: shiv start && shiv proxy mode ${name} record`
}
