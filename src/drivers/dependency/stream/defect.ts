/** Whether an error is a mistake in shiv's own code, and not something that a connection met or that is told in shiv's words. */
export function isDefect(error: unknown): boolean {
  const isProgrammers = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
  return isProgrammers && (error as NodeJS.ErrnoException).code === undefined
}
