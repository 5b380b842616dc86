import type { CommandExchange, CommandValue } from '../recording/command-exchange.ts'
import { startupRequest } from './requests.ts'

/** What a server reports of its settings, where the recording does not say. */
const DEFAULTS: Record<string, string> = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  integer_datetimes: 'on',
  IntervalStyle: 'postgres',
  is_superuser: 'off',
  server_encoding: 'UTF8',
  server_version: '16.0',
  standard_conforming_strings: 'on',
  TimeZone: 'Etc/UTC',
}

/** What a client asks of its session, less who it is and where it wants to. */
export function askedOf({ user: _user, database: _database, ...asked }: Record<string, string>): Record<string, string> {
  return asked
}

/** What a session reports that is played: as recorded of a client that asked for the same, else of any, else what is usual; and always what this one asks for. */
export async function playedStatuses(
  { player }: CommandExchange,
  asked: Record<string, string>,
): Promise<[name: string, value: string][]> {
  const answer = await player?.answer(startupRequest(askedOf(asked)))
  const frames = answer && 'matched' in answer ? answer.matched : await player?.first('postgres', 'startup')
  const recorded = frames?.map(({ values }): [string, string] => [textOf(values[0]), textOf(values[1])])
  return [...overlaid(recorded ?? Object.entries(DEFAULTS), asked)]
}

function textOf(value: CommandValue | undefined): string {
  return value?.value?.toString('utf8') ?? ''
}

function overlaid(
  statuses: [string, string][],
  { user = 'postgres', database: _database, ...asked }: Record<string, string>,
): Map<string, string> {
  const known = new Map(statuses)
  const names = new Map([...known.keys()].map((name) => [name.toLowerCase(), name]))
  for (const [name, value] of Object.entries(asked)) {
    const own = names.get(name.toLowerCase())
    if (own !== undefined && own !== 'DateStyle') known.set(own, value.replace(/^'|'$/g, ''))
  }
  // They are the client's, and not recorded.
  known.set('application_name', asked['application_name'] ?? '')
  known.set('session_authorization', user)
  return known
}
