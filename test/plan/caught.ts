import { ShivError } from '../../src/core/errors.ts'

/** The ShivError that `work` throws. */
export function caught(work: () => unknown): ShivError {
  try {
    work()
  } catch (error) {
    if (error instanceof ShivError) return error
    throw error
  }
  throw new Error('it did not throw')
}
