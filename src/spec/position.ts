/** A place in a file that the user wrote. */
export interface Position {
  /** Absolute path. */
  file: string
  line: number
  column: number
}
