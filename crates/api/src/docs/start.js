// Shows the operations that contain every word of the filter, in any language that the document has.
const opsFilter = (groups, phrase) => {
  const words = phrase.normalize('NFC').toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (tag) => (entry) => {
    const operation = entry.get('operation');
    const parts = ['operationId', 'summary', 'description'].map((name) => operation.get(name));
    const text = [tag, entry.get('method'), entry.get('path'), ...parts].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return groups
    .map((group, tag) => group.update('operations', (operations) => operations.filter(matches(tag))))
    .filter((group) => group.get('operations').size > 0);
};
const nameFilter = () => {
  const filter = document.querySelector('.operation-filter-input');
  filter.placeholder = 'Filter: words of names, paths and descriptions · 이름, 경로, 설명으로 찾기';
};
// The host from which the page was loaded: the site may be reachable under other names than that of its public URL.
fetch(base + '/openapi.json').then((answer) => answer.json()).then((spec) => {
  spec.servers = [{ url: location.origin + base }];
  SwaggerUIBundle({
    dom_id: '#ui', spec, deepLinking: true, filter: true, plugins: [() => ({ fn: { opsFilter } })], onComplete: nameFilter,
  });
});
