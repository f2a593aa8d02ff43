/** A reporter for node:test that writes only what was skipped: one JSON line `[reason, name]` each. */
export default async function* skippedReporter(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.skip === undefined || data.skip === false) continue;
    const reason = typeof data.skip === 'string' ? data.skip : '';
    yield `${JSON.stringify([reason, data.name])}\n`;
  }
}
