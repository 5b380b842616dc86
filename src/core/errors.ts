import { shivHome } from './paths.ts'

/** How a command ends. The list is closed: 0 done, 1 the work failed, 2 the input is wrong, 3 the machine lacks something, 4 a check or gate said no, 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130

/** One thing wrong in a file the user wrote; `line` and `column` count from 1. */
export interface Fault {
  code: string
  message: string
  hint?: string
  file?: string
  line?: number
  column?: number
  /** How many characters the caret underlines; 1 when absent. */
  length?: number
  /** The text of the line, so that rendering needs no file. */
  snippet?: string
  /** A value is missing that a person at a terminal can be asked for; it then travels in the environment of the next request. */
  ask?: { variable: string; prompt: string }
}

export interface ShivErrorOptions {
  /** Upper snake case, stable, in `docs/errors.md`; its first word is the area: SPEC_, PLAN_, DOCKER_, KIND_, POD_, DATABASE_, PROCESS_, DAEMON_, … */
  code: string
  hint?: string
  exit?: ExitCode
  /** All faults of the input, when the input is what is wrong. */
  faults?: Fault[]
  /** Lines that show what happened: the last log lines, the failing step's output. */
  evidence?: string[]
  cause?: unknown
}

/** A failure that a user can meet: code, message in their words, a hint that works when pasted. */
export class ShivError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly exit: ExitCode
  readonly faults: Fault[]
  readonly evidence: string[]

  constructor(message: string, options: ShivErrorOptions) {
    super(message, { cause: options.cause })
    this.name = 'ShivError'
    this.code = options.code
    this.hint = options.hint
    this.exit = options.exit ?? 1
    this.faults = options.faults ?? []
    this.evidence = options.evidence ?? []
  }
}

/** The form in which an error crosses the wire. */
export interface ErrorShape {
  code: string
  message: string
  exit: ExitCode
  hint?: string
  faults?: Fault[]
  evidence?: string[]
  /** Only for an error that is a defect of shiv's own. */
  stack?: string
}

/** No room left where `path` is. */
export function diskFull(path: string, cause?: unknown): ShivError {
  return new ShivError(`The disk is full: ${path} cannot be written.`, {
    code: 'DISK_FULL',
    exit: 3,
    hint: `make room there, then run the command again: df -h ${path}`,
    cause,
  })
}

/** Whether it is one of ours. A bundle beside the CLI's own brings a class of its own, by the same name. */
function isShivError(error: unknown): error is ShivError {
  return error instanceof ShivError || (error instanceof Error && error.name === 'ShivError' && 'faults' in error)
}

/** Turns anything thrown into its wire form. What is neither a ShivError nor a full disk is a defect: code INTERNAL, with its stack. */
export function toErrorShape(error: unknown): ErrorShape {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return toErrorShape(diskFull(path ?? shivHome(), error))
  if (isShivError(error)) {
    return {
      code: error.code,
      message: error.message,
      exit: error.exit,
      ...(error.hint !== undefined && { hint: error.hint }),
      ...(error.faults.length > 0 && { faults: error.faults }),
      ...(error.evidence.length > 0 && { evidence: error.evidence }),
    }
  }
  const cause = error instanceof Error ? error : new Error(String(error))
  return { code: 'INTERNAL', message: cause.message, exit: 1, ...(cause.stack !== undefined && { stack: cause.stack }) }
}

/** The inverse of `toErrorShape`. */
export function fromErrorShape(shape: ErrorShape): ShivError {
  const error = new ShivError(shape.message, shape)
  if (shape.stack !== undefined) error.stack = shape.stack
  return error
}
