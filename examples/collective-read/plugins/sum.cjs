module.exports = (numbers) => numbers.reduce((sum, each) => sum + each, 0);
