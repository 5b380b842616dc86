import type { LogLine, LogQuery, RunContext } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'

export async function* readLogs(_plan: Plan, _query: LogQuery, _context: RunContext): AsyncIterable<LogLine> {}
