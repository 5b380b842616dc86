import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Variant } from '../../bench/experiment.ts'
import { ShivError } from '../../core/errors.ts'
import { alwaysIgnored } from '../../spec/always-ignored.ts'
import { chooseSource } from './edits.ts'
import { openLoopSubject, type LoopSubject } from './loop-subject.ts'
import type { RunningSide, Subject } from './sides.ts'

export interface Loops {
  /** By side. */
  variants: Variant[][]
  remarks: string[]
  close(): Promise<void>
}

/** The loops of every service on every side; a service without a file to edit is left out, and an error where only loops were asked for and none can be measured. */
export async function openLoops(sides: readonly RunningSide[], { services }: Subject, isAll: boolean): Promise<Loops> {
  const remarks: string[] = []
  const opened: LoopSubject[][] = sides.map(() => [])
  for (const service of services) {
    try {
      const subjects = await Promise.all(sides.map((side) => openOne(side, service)))
      subjects.forEach((subject, index) => opened[index]!.push(subject))
      remarks.push(`loop ${service}: saves of ${subjects[0]!.file}`)
    } catch (error) {
      if (!(error instanceof ShivError) || error.code !== 'BENCH_NO_FILE' || (isAll && services.length === 1)) throw error
      remarks.push(`loop ${service} is not measured: ${error.message}`)
    }
  }
  return {
    variants: opened.map((subjects) => subjects.map(({ variant }) => variant)),
    remarks,
    close: async () => {
      await Promise.all(opened.flat().map((subject) => subject.close()))
    },
  }
}

async function openOne({ stage, plan }: RunningSide, name: string): Promise<LoopSubject> {
  const service = plan.services.find((one) => one.name === name)!
  const file = await chooseSource(stage, service, await sourceFiles(service.root))
  return openLoopSubject(stage, service, file)
}

/** Files of a service in a stage, relative to it, without what tools made there. */
export async function sourceFiles(root: string): Promise<string[]> {
  const walk = async (folder: string): Promise<string[]> => {
    const entries = await readdir(folder, { withFileTypes: true })
    const below = await Promise.all(
      entries.map(async (entry) => {
        if (/^(node_modules|\.venv|venv|__pycache__|dist|build|vendor)$/.test(entry.name) || alwaysIgnored(entry.name)) return []
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return walk(path)
        return entry.isFile() ? [path] : []
      }),
    )
    return below.flat()
  }
  return (await walk(root)).map((path) => relative(root, path))
}
