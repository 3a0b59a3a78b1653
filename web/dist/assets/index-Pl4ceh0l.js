const base = document.querySelector('meta[name="blegram-base"]').content;
const link = document.createElement('a');
link.href = `${base}docs`;
link.textContent = 'API';
document.querySelector('#root').append(link);
