import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Vitest's global set-up: the tests run the built command, so it is built from what stands in src now. */
export default function buildOnce(): void {
  execFileSync(process.execPath, ['build.mjs'], { cwd: join(import.meta.dirname, '..', '..'), stdio: 'inherit' })
}
