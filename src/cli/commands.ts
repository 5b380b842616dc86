import type { Command } from './command.ts'
import { DELIVERING } from './command-table/delivering.ts'
import { KEEPING } from './command-table/keeping.ts'
import { RUNNING } from './command-table/running.ts'

/** Every command, in the order of help. Data only: `load` imports the code. */
export const COMMANDS: Command[] = [...RUNNING, ...DELIVERING, ...KEEPING]
