import { Ajv } from 'ajv'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile, rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderHtml, renderTrendHtml } from '../../src/bench/report/html.ts'
import { renderJUnit } from '../../src/bench/report/junit.ts'
import { renderMarkdown } from '../../src/bench/report/markdown.ts'
import { renderOpenMetrics } from '../../src/bench/report/openmetrics.ts'
import { sparkline } from '../../src/bench/report/sparkline.ts'
import { renderReport } from '../../src/bench/report/table.ts'
import { reportTrace } from '../../src/bench/report/trace.ts'
import { entriesOf } from '../../src/bench/history.ts'
import { trends } from '../../src/bench/trend.ts'
import { createStyle } from '../../src/core/style.ts'
import { loopSeries, madeReport } from '../support/bench-report.ts'
import { noise } from '../support/noise.ts'

const report = madeReport()

describe('the table', () => {
  it('shows figures, verdicts with the span that grew, gates, advice and how sure all is', async () => {
    const lines = renderReport(report, createStyle({ colour: false, unicode: true }))
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../golden/cli/bench.txt')
    expect(lines.join('\n')).toMatch(/loop orders: here is slower than main, \+\d+ %/)
    expect(lines.join('\n')).toMatch(/restarted grew by/)
  })

  it('keeps to ASCII where the terminal does', () => {
    const text = renderReport(report, createStyle({ colour: false, unicode: false })).join('\n')
    expect(text).not.toMatch(/[▁-█→]/)
  })

  it('draws samples from the smallest to the largest', () => {
    expect(sparkline([1, 2, 3, 4, 5, 6, 7, 8])).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([5, 5, 5])).toBe('▁▁▁')
    expect(sparkline([])).toBe('')
    expect(sparkline(Array.from({ length: 500 }, (_, index) => index)).length).toBe(24)
  })
})

describe('the JSON', () => {
  const schema = JSON.parse(readFileSync('docs/bench.schema.json', 'utf8')) as object
  const validate = new Ajv().compile(schema)

  it('is as its schema says, after a turn through text', () => {
    expect(validate(JSON.parse(JSON.stringify(report))), JSON.stringify(validate.errors)).toBe(true)
    expect(validate({ ...report, version: 2 })).toBe(false)
    expect(validate({ ...report, series: [{ ...report.series[0], ended: 'bored' }] })).toBe(false)
  })

  it('rounds nothing', () => {
    const again = JSON.parse(JSON.stringify(report)) as typeof report
    expect(again.series[0]!.samples).toEqual(report.series[0]!.samples)
    expect(again.durationMs).toBe(61_234.5678)
  })
})

describe('Markdown', () => {
  it('says verdicts first, and lets no name be markup', async () => {
    const text = renderMarkdown(report)
    await expect(text).toMatchFileSnapshot('../golden/cli/bench.md')
    expect(text).toContain('🔴 slower')
    expect(text).not.toContain('<b>')
  })
})

describe('JUnit', () => {
  it('is XML in which the gate that failed is a failure', ({ skip }) => {
    const xml = renderJUnit(report)
    let cases: { name: string; outcome: string | null }[]
    try {
      const program = `import sys, json, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.read())
print(json.dumps([{"name": case.get("name"), "outcome": case[0].tag if len(case) else None} for case in root.iter("testcase")]))`
      cases = JSON.parse(execFileSync('python3', ['-c', program], { input: xml, encoding: 'utf8' }))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return skip('skipped: python3, which reads the XML, is not on this machine')
    }
    expect(cases.filter(({ outcome }) => outcome === 'failure').map(({ name }) => name)).toEqual(['loop.p50=+5% loop orders'])
    expect(cases.map(({ name }) => name)).toContain('<b>"&\\|` (here)')
  })

  it('has an error for a measure that could not be taken', () => {
    const failed = madeReport({ series: [{ ...loopSeries('here', []), ended: 'failed', failure: 'broke > there' }] })
    expect(renderJUnit(failed)).toContain('<error message="broke &gt; there"/>')
    expect(renderJUnit(failed)).toContain('errors="1"')
  })
})

describe('OpenMetrics', () => {
  it('holds to the grammar of the text format', () => {
    const text = renderOpenMetrics(report)
    const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
    const sample = new RegExp(`^shiv_bench_[a-z_]+\\{${label}(?:,${label})*\\} [0-9.e+-]+ [0-9.]+$`)
    const lines = text.split('\n')
    expect(lines.at(-1)).toBe('')
    expect(lines.at(-2)).toBe('# EOF')
    for (const line of lines.slice(0, -2)) expect(line).toMatch(line.startsWith('#') ? /^# (TYPE|UNIT|HELP) shiv_bench_/ : sample)
    expect(text).toContain('verdict="slower"')
  })
})

describe('the trace', () => {
  it('has a track for each measure and side, and spans inside their sample', () => {
    const { traceEvents } = reportTrace(report)
    expect(traceEvents.filter(({ ph }) => ph === 'M')).toHaveLength(4)
    const [sample, ...spans] = traceEvents.filter(({ ph }) => ph === 'X').slice(0, 4)
    for (const span of spans) {
      expect(span.ts!).toBeGreaterThanOrEqual(sample!.ts!)
      expect(span.ts! + span.dur!).toBeLessThanOrEqual(sample!.ts! + sample!.dur! + 1)
    }
  })
})

describe('HTML, in Chromium', () => {
  let folder: string
  let browser: Awaited<ReturnType<typeof chromium.launch>>
  const asked: string[] = []
  const faults: string[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shiv-bench-html-'))
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function show(name: string, html: string): Promise<Page> {
    await writeFile(join(folder, name), html)
    const page = await browser.newPage({ viewport: { width: 900, height: 1400 } })
    page.on('request', (request) => asked.push(request.url()))
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
    await page.goto(`file://${join(folder, name)}`)
    return page
  }

  it('shows every sample and the verdicts, and asks nobody for anything', async () => {
    const page = await show('report.html', renderHtml(report))
    expect(await page.title()).toBe('shiv bench: shop')
    expect(await page.locator('svg').count()).toBe(5)
    const first = page.locator('svg[aria-label^="loop orders: every sample"]')
    expect(await first.locator('circle').count()).toBe(122)
    expect(await first.locator('circle.outlier').count()).toBeGreaterThan(0)
    // Drawn where it can be seen: inside of its picture.
    const [picture, dot] = [await first.boundingBox(), await first.locator('circle').nth(60).boundingBox()]
    expect(dot!.x).toBeGreaterThan(picture!.x)
    expect(dot!.y + dot!.height).toBeLessThan(picture!.y + picture!.height)
    expect(await page.locator('td b.slower').count()).toBe(1)
    expect(await page.locator('h2', { hasText: 'loop <b>"&\\|`' }).count()).toBe(1)
    expect(asked.filter((url) => !url.startsWith('file://'))).toEqual([])
    expect(faults).toEqual([])
  })

  it('plots trends with the step and its commit', async () => {
    const levels = [...noise(1, 10, 0.02), ...noise(2, 10, 0.02, 120)]
    const entries = levels.flatMap((ms, index) =>
      entriesOf(
        madeReport({
          id: `run-${index}`,
          series: [loopSeries('here', [ms, ms])],
          sides: [{ name: 'here', commit: index.toString(16).padStart(40, index < 10 ? 'a' : 'c'), measuredAt: 1.7e12 + index }],
        }),
      ),
    )
    const found = trends(entries)
    expect(found[0]!.steps.map(({ after }) => found[0]!.points.indexOf(after))).toEqual([10])
    const page = await show('trend.html', renderTrendHtml('shop', found))
    expect(await page.locator('svg circle').count()).toBe(20)
    expect(await page.locator('svg .step').count()).toBe(1)
    expect(await page.locator('li b').textContent()).toBe('ccccccc')
  })
})
