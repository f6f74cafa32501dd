/** What C++ expects of a loader, whichever the library lives in. */

import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { NativeError, type SourceLibrary, type SourceLibrarySpec } from '../../src/index.ts';
import { hasShim, LOADERS, LOGGING, loadIn, makeLogIn } from './harness.ts';

const probe = { input: '#include <vector>', encoding: 'utf8' } as const;
const HAS_LIBCXX = spawnSync('clang++-22', ['-xc++', '-stdlib=libc++', '-fsyntax-only', '-'], probe).status === 0;
if (!HAS_LIBCXX) console.warn('the tests of libc++ are skipped: clang++-22 finds no libc++');

describe.each(LOADERS)('on the %s loader', (loader) => {
  const load = (source: string, options?: Partial<SourceLibrarySpec>): Promise<SourceLibrary> =>
    loadIn(loader, source, { language: 'c++', ...options });
  /** For libraries that are linked to each other; the source of each comes after it. */
  const loadChain = async (header: string, ...sources: string[]): Promise<SourceLibrary[]> => {
    const chain: SourceLibrary[] = [];
    for (const source of sources) {
      const last = chain.at(-1);
      chain.push(await load(`${header}\n${source}`, last === undefined ? {} : { libraries: [last] }));
    }
    return chain;
  };

  test('static constructors run in the order of their priority, and destructors at dispose in the reverse', async () => {
    const log = await makeLogIn(loader);
    const library = await load(`${LOGGING}
      #define LOG ((char *)${log.address}ULL)
      struct Each { const char *name; Each(const char *n) : name(n) { log_ = LOG; note(n); } ~Each() { char t[8] = "~"; strcat(t, name); note(t); } };
      Each plain1("p1");
      __attribute__((init_priority(300))) Each third("300");
      __attribute__((init_priority(200))) Each second("200");
      Each plain2("p2");
      template <typename T> struct Holder { static Each each; };
      template <typename T> Each Holder<T>::each("t");
      extern "C" Each *use() { static Each local("local"); Holder<int>::each.name; return &Holder<int>::each; }
      __attribute__((constructor(150))) static void early() { log_ = LOG; note("c150"); }
      __attribute__((destructor(150))) static void late() { note("d150"); }
      extern "C" int f() { use(); return 1; }`);
    expect(library.func('int f()')()).toBe(1);
    await library.dispose();
    // The place of a template's static among those without a priority is not said.
    const words = log.text().trim().split(' ');
    expect(words.filter((word) => !/^~?t$/.test(word)).join(' ')).toBe(
      'c150 200 300 p1 p2 local ~local ~p2 ~p1 ~300 ~200 d150',
    );
    expect(words.filter((word) => /^~?t$/.test(word))).toEqual(['t', '~t']);
  });

  test('exceptions are thrown in one library, pass a second, and are caught in a third by their base', async () => {
    const [low, middle, top] = await loadChain(
      `#include <stdexcept>
       #include <string>
       struct Base : std::runtime_error { int code; Base(int c) : runtime_error("base"), code(c) {} };
       struct Derived : Base { Derived(int c) : Base(c) {} };
       struct Other { long value; };
       extern "C" { void low(int n); void middle(int n); int destroyed(); }`,
      `extern "C" void low(int n) { if (n == 1) throw Derived(7); if (n == 2) throw Other{8}; if (n == 3) throw std::string("text"); }`,
      `static int count; struct Noted { ~Noted() { count++; } };
       extern "C" int destroyed() { return count; }
       extern "C" void low(int); extern "C" void middle(int n) { Noted noted; try { low(n); } catch (const std::bad_alloc &) { count += 100; } }`,
      `extern "C" int top(int n) {
         try { middle(n); return 0; }
         catch (Base &e) { return e.code; } catch (const Other &o) { return o.value; } catch (std::string &s) { return s.size(); } }`,
    );
    const call = top?.func('int top(int)');
    expect([0, 1, 2, 3].map((n) => call?.(n))).toEqual([0, 7, 8, 4]);
    expect(middle?.func('int destroyed()')()).toBe(4);
    expect(low).toBeDefined();
  });

  test.skipIf(!hasShim())('an exception of another library that nothing catches becomes a NativeError', async () => {
    const [, top] = await loadChain(
      '#include <stdexcept>\nextern "C" void low(int n);',
      'extern "C" void low(int n) { if (n) throw std::overflow_error("low"); }',
      'extern "C" int top(int n) { low(n); return n; }',
    );
    const call = top?.func('int top(int)');
    expect(call?.(0)).toBe(0);
    expect(() => call?.(1)).toThrow(NativeError);
  });

  test('classes are the same in two libraries: dynamic_cast, typeid and virtual calls', async () => {
    const [, top] = await loadChain(
      `#include <typeinfo>
       #include <typeindex>
       struct Shape { virtual ~Shape() {} virtual int sides() const { return 0; } };
       struct Named { virtual ~Named() {} virtual const char *name() const { return "none"; } };
       struct Square : Shape, Named { int sides() const override { return 4; } const char *name() const override { return "square"; } };
       struct Line : virtual Shape { int sides() const override { return 1; } };
       Shape *make(int which); Named *make_named(); const std::type_info &type_of(const Shape &);
       const std::type_info *square_type();`,
      `Shape *make(int which) { if (which == 0) return new Square(); if (which == 1) return new Line(); return new Shape(); }
       Named *make_named() { return new Square(); }
       const std::type_info &type_of(const Shape &s) { return typeid(s); }
       const std::type_info *square_type() { return &typeid(Square); }`,
      `extern "C" int check() {
         Shape *square = make(0), *line = make(1), *shape = make(2);
         Named *named = make_named();
         int ok = 0;
         ok |= dynamic_cast<Square *>(square) ? 1 : 0;
         ok |= dynamic_cast<Line *>(line) && !dynamic_cast<Line *>(square) ? 2 : 0;
         ok |= dynamic_cast<Named *>(square) && !dynamic_cast<Named *>(shape) ? 4 : 0;
         ok |= dynamic_cast<Shape *>(named)->sides() == 4 ? 8 : 0;
         ok |= typeid(*square) == typeid(Square) && type_of(*line) == typeid(Line) ? 16 : 0;
         Square own;
         ok |= type_of(own) == typeid(Square) && std::type_index(typeid(own)) == std::type_index(typeid(*square)) ? 32 : 0;
         ok |= &typeid(Square) == square_type() ? 64 : 0;
         delete square; delete line; delete shape; delete named;
         return ok;
       }`,
    );
    expect(top?.func('int check()')()).toBe(127);
  });

  test('a library shares inline functions and variables, and statics of templates, with what it is linked to', async () => {
    const [low, top, third] = await loadChain(
      `#include <string>
       inline int constructed;
       struct Made { int value; Made(int v) : value(v) { constructed++; } ~Made() { constructed--; } };
       inline int counter = 5;
       inline Made made(7);
       template <typename T> struct Registry { static int count; static Made held; static T &last() { static T value{}; return value; } };
       template <typename T> int Registry<T>::count = 1;
       template <typename T> Made Registry<T>::held(8);
       inline int &inner() { static int value = 30; return value; }
       inline Made &local() { static Made value(9); return value; }
       struct Class { static inline int member = 3; virtual ~Class() {} };
       template <typename T> constexpr T constant = T(2.5);`,
      `extern "C" int low_change() { counter++; made.value++; Registry<int>::count++; Registry<int>::held.value++; Registry<long>::last()++; inner()++; local().value++; Class::member++; return constructed; }
       extern "C" void *low_address(int n) { void *all[] = {&counter, &made, &Registry<int>::count, (void *)&inner, &local(), (void *)&Registry<std::string>::last, &Class::member}; return all[n]; }`,
      `extern "C" int top_sum() { return counter + 10 * made.value + 100 * Registry<int>::count + 1000 * Registry<int>::held.value + 10000 * Registry<long>::last() + 100000 * (inner() - 30) + 1000000 * (local().value - 9) + 10000000 * Class::member; }
       extern "C" int constructed_now() { return constructed; }
       inline int own = 1; extern "C" int top_own() { return own++; }
       extern "C" void *top_address(int n) { void *all[] = {&counter, &made, &Registry<int>::count, (void *)&inner, &local(), (void *)&Registry<std::string>::last, &Class::member}; return all[n]; }`,
      `inline int own = 1; extern "C" int third_own() { return own; }
       extern "C" int third_counter() { return counter++; }`,
    );
    if (low === undefined || top === undefined || third === undefined) throw new Error('there are three');
    const sum = top.func('int top_sum()');
    // First the one that stays: what a library constructs, it destroys when it is disposed.
    expect(low.func('int low_change()')()).toBe(3);
    expect(sum()).toBe(6 + 80 + 200 + 9000 + 10000 + 100000 + 1000000 + 40000000);
    expect(top.func('int constructed_now()')()).toBe(3);
    const [lows, tops] = [low.func('void *low_address(int)'), top.func('void *top_address(int)')];
    for (let index = 0; index < 7; index += 1) expect(tops(index), String(index)).toBe(lows(index));
    // Also what came from the first through the second; and what the second was first to have.
    expect(third.func('int third_counter()')()).toBe(6);
    expect(low.variable('int counter').value).toBe(7);
    expect(third.variable('int counter').value).toBe(7);
    expect(third.symbols.get('counter')).toEqual(low.symbols.get('counter'));
    top.func('int top_own()')();
    expect(third.func('int third_own()')()).toBe(2);
    await third.dispose();
    await top.dispose();
    expect(low.func('int low_change()')()).toBe(3);
  });

  test('libraries that are not linked to each other have inline variables of their own', async () => {
    const source = 'inline int counter = 5; extern "C" int next() { return counter++; }';
    const [one, two] = [await load(source), await load(source)];
    expect([one.func('int next()')(), one.func('int next()')(), two.func('int next()')()]).toEqual([5, 6, 5]);
  });

  test('thread-local objects are constructed and destroyed on every thread that uses them', async () => {
    const library = await load(`
      #include <atomic>
      #include <string>
      #include <thread>
      #include <vector>
      static std::atomic<int> constructed, destroyed;
      struct Each { std::string text; int value; Each() : text(40, 'x'), value(1) { constructed++; } ~Each() { if (text.size() == 40) destroyed++; } };
      thread_local Each each;
      thread_local int plain = 5;
      inline thread_local Each shared;
      static int use() { static thread_local Each local; return each.value++ + plain++ + local.value++ + shared.value++; }
      extern "C" int on_this() { return use(); }
      extern "C" int on_threads(int count) {
        std::vector<std::thread> threads; std::atomic<int> sum{0};
        for (int i = 0; i < count; i++) threads.emplace_back([&] { use(); sum += use(); });
        for (auto &t : threads) t.join();
        return sum;
      }
      extern "C" int counts() { return constructed * 1000 + destroyed; }`);
    const counts = library.func('int counts()');
    expect(library.func('int on_threads(int)')(8)).toBe(8 * (2 + 6 + 2 + 2));
    expect(counts()).toBe(24024);
    expect(library.func('int on_this()')()).toBe(1 + 5 + 1 + 1);
    expect(library.func('int on_this()')()).toBe(2 + 6 + 2 + 2);
    expect(counts()).toBe(27024);
    // Threads of libuv, which stay: each has objects of its own from its first call on.
    const results = await Promise.all(Array.from({ length: 32 }, () => library.func('int on_this()').async()));
    const threads = results.filter((each) => each === 8).length;
    expect(threads).toBeGreaterThan(0);
    expect(counts()).toBe(27024 + threads * 3000);
  });

  test('std::call_once, std::thread, std::async, promises and condition variables', async () => {
    const library = await load(`
      #include <condition_variable>
      #include <future>
      #include <mutex>
      #include <stdexcept>
      #include <thread>
      #include <vector>
      extern "C" int once() {
        std::once_flag flag; int calls = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++) threads.emplace_back([&] { std::call_once(flag, [&] { calls++; }); });
        for (auto &t : threads) t.join();
        std::once_flag failing;
        try { std::call_once(failing, [] { throw std::runtime_error("first"); }); } catch (const std::runtime_error &) { calls += 10; }
        std::call_once(failing, [&] { calls += 100; });
        return calls;
      }
      extern "C" int futures() {
        auto sum = std::async(std::launch::async, [] { return 40; });
        auto failing = std::async(std::launch::async, []() -> int { throw std::out_of_range("in a thread"); });
        int caught = 0;
        try { failing.get(); } catch (const std::out_of_range &) { caught = 2; }
        std::promise<int> promise;
        std::thread setter([&] { promise.set_value(100); });
        int got = promise.get_future().get();
        setter.join();
        return sum.get() + caught + got;
      }
      extern "C" int waited() {
        std::mutex mutex; std::condition_variable changed; int value = 0;
        std::thread other([&] { std::lock_guard lock(mutex); value = 9; changed.notify_one(); });
        { std::unique_lock lock(mutex); changed.wait(lock, [&] { return value == 9; }); }
        other.join();
        return value;
      }`);
    expect(library.func('int once()')()).toBe(111);
    expect(await library.func('int once()').async()).toBe(111);
    expect(library.func('int futures()')()).toBe(142);
    expect(await library.func('int futures()').async()).toBe(142);
    expect(library.func('int waited()')()).toBe(9);
  });

  test('streams, regular expressions, locales, file systems and random numbers of the standard library', async () => {
    const library = await load(`
      #include <filesystem>
      #include <fstream>
      #include <iomanip>
      #include <iostream>
      #include <locale>
      #include <random>
      #include <regex>
      #include <sstream>
      #include <string>
      static std::string result;
      extern "C" const char *stream(double x) {
        std::ostringstream out; out.imbue(std::locale::classic());
        out << std::setprecision(3) << std::fixed << x << ' ' << std::hex << 255 << ' ' << std::boolalpha << true;
        return (result = out.str()).c_str();
      }
      extern "C" const char *replace(const char *text) {
        return (result = std::regex_replace(text, std::regex("([a-z]+)=(\\\\d+)"), "$2:$1")).c_str();
      }
      extern "C" int bad_regex() { try { std::regex r("("); return 0; } catch (const std::regex_error &e) { return e.code() == std::regex_constants::error_paren; } }
      extern "C" int cout_is_the_process() { std::cout << std::flush; return std::cout.rdbuf() != nullptr && std::cout.good() && std::cerr.good(); }
      extern "C" int files() { namespace fs = std::filesystem; return fs::exists("/proc/self/maps") && std::ifstream("/proc/self/maps").good() && fs::path("/a/b").filename() == "b"; }
      extern "C" unsigned long engine() { std::mt19937_64 made; made.discard(9999); return made(); }`);
    expect(library.func('const char *stream(double)')(2.5)).toBe('2.500 ff true');
    expect(library.func('const char *replace(const char *)')('a=1, bc=23')).toBe('1:a, 23:bc');
    expect(library.func('int bad_regex()')()).toBe(1);
    expect(library.func('int cout_is_the_process()')()).toBe(1);
    expect(library.func('int files()')()).toBe(1);
    // The value that the standard asks for.
    expect(library.func('unsigned long engine()')()).toBe(9981545732273789042n);
  });

  test('coroutines suspend, resume, return values and let exceptions through', async () => {
    const library = await load(
      `#include <coroutine>
       #include <exception>
       #include <stdexcept>
       static int frames;
       struct Generator {
         struct promise_type {
           int value; std::exception_ptr thrown;
           promise_type() { frames++; } ~promise_type() { frames--; }
           Generator get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
           std::suspend_always initial_suspend() { return {}; }
           std::suspend_always final_suspend() noexcept { return {}; }
           std::suspend_always yield_value(int v) { value = v; return {}; }
           void return_void() {}
           void unhandled_exception() { thrown = std::current_exception(); }
         };
         std::coroutine_handle<promise_type> handle;
         Generator(std::coroutine_handle<promise_type> h) : handle(h) {}
         Generator(Generator &&o) : handle(o.handle) { o.handle = nullptr; }
         ~Generator() { if (handle) handle.destroy(); }
         bool next() { handle.resume(); if (handle.promise().thrown) std::rethrow_exception(handle.promise().thrown); return !handle.done(); }
         int value() { return handle.promise().value; }
       };
       static Generator count(int to, bool fails) { for (int i = 1; i <= to; i++) co_yield i; if (fails) throw std::runtime_error("at the end"); }
       extern "C" int sum(int to) { auto g = count(to, false); int s = 0; while (g.next()) s += g.value(); return s; }
       extern "C" int sum_failing(int to) { auto g = count(to, true); int s = 0; try { while (g.next()) s += g.value(); } catch (const std::runtime_error &) { return -s; } return s; }
       extern "C" int alive() { return frames; }`,
      { flags: ['-O2', '-std=c++20'] },
    );
    expect(library.func('int sum(int)')(100)).toBe(5050);
    expect(library.func('int sum_failing(int)')(4)).toBe(-10);
    expect(library.func('int alive()')()).toBe(0);
  });

  describe.skipIf(!HAS_LIBCXX)('with -stdlib=libc++', () => {
    const loadLibcxx = (source: string, options?: Partial<SourceLibrarySpec>) =>
      load(source, { flags: ['-O1', '-stdlib=libc++', '-std=c++20'], ...options });

    test('libc++ is found, and its containers, streams, text formatting and threads work', async () => {
      const library = await loadLibcxx(`
        #include <algorithm>
        #include <format>
        #include <future>
        #include <iostream>
        #include <map>
        #include <mutex>
        #include <sstream>
        #include <string>
        #include <thread>
        #include <vector>
        static std::string result;
        extern "C" const char *formatted(int n) { return (result = std::format("{:>4}|{:.2f}|{}", n, n / 4.0, std::string(3, 'x'))).c_str(); }
        extern "C" const char *streamed(int n) { std::ostringstream out; out << n << ' ' << std::hex << n; return (result = out.str()).c_str(); }
        extern "C" int is_libcxx() { return _LIBCPP_VERSION > 0 && std::cout.good(); }
        extern "C" int sorted(int n) { std::map<std::string, int> m; for (int i = n; i > 0; i--) m[std::to_string(i)] = i; std::vector<int> v; for (auto &[k, x] : m) v.push_back(x); std::sort(v.begin(), v.end()); return v.at(n - 1); }
        extern "C" int threads() {
          std::once_flag flag; int calls = 0;
          for (int i = 0; i < 3; i++) std::call_once(flag, [&] { calls++; });
          // Not std::async: in libc++ its thread is detached, and may still be in the library when that is disposed.
          std::promise<int> promise;
          auto future = promise.get_future();
          std::thread thread([&] {
            try { throw std::out_of_range("in a thread"); } catch (...) { promise.set_exception(std::current_exception()); }
          });
          try { future.get(); } catch (const std::out_of_range &e) { calls += 10; }
          thread.join();
          return calls;
        }`);
      expect(library.func('int is_libcxx()')()).toBe(1);
      expect(library.func('const char *formatted(int)')(7)).toBe('   7|1.75|xxx');
      expect(library.func('const char *streamed(int)')(255)).toBe('255 ff');
      expect(library.func('int sorted(int)')(20)).toBe(20);
      expect(library.func('int threads()')()).toBe(11);
      expect(await library.func('int threads()').async()).toBe(11);
    });

    test('exceptions of libc++ are caught in the library, also those that libc++ itself throws', async () => {
      const library = await loadLibcxx(`
        #include <stdexcept>
        #include <string>
        struct Own : std::logic_error { using logic_error::logic_error; };
        static int destroyed; struct Noted { ~Noted() { destroyed++; } };
        extern "C" int parse(const char *text) { try { return std::stoi(text); } catch (const std::invalid_argument &e) { return -1; } catch (const std::out_of_range &) { return -2; } }
        extern "C" int own(int n) { try { Noted noted; if (n) throw Own("own"); return 0; } catch (const std::exception &e) { return std::string(e.what()) == "own" ? destroyed : -1; } }`);
      const parse = library.func('int parse(const char *)');
      expect([parse('12'), parse('x'), parse('99999999999')]).toEqual([12, -1, -2]);
      expect(library.func('int own(int)')(1)).toBe(1);
      expect(await library.func('int own(int)').async(1)).toBe(2);
    });

    test.skipIf(!hasShim())('exceptions of libc++ that leave a function become a NativeError', async () => {
      const library = await loadLibcxx(`
        #include <exception>
        #include <stdexcept>
        #include <string>
        namespace app { struct Failure : std::runtime_error { using runtime_error::runtime_error; }; }
        static int destroyed; struct Noted { ~Noted() { destroyed++; } };
        extern "C" int f(int which) {
          Noted noted;
          switch (which) {
          case 0: throw 42;
          case 1: throw app::Failure("own");
          case 2: return std::stoi("x");
          case 3: throw std::string("text");
          case 4: try { throw app::Failure("again"); } catch (...) { std::rethrow_exception(std::current_exception()); }
          }
          return destroyed;
        }
        extern "C" int uncaught() { return std::uncaught_exceptions() + (std::current_exception() ? 100 : 0); }`);
      const f = library.func('int f(int)');
      const all = [0, 1, 2, 3, 4].map((which) => {
        try {
          return f(which);
        } catch (error) {
          return [(error as NativeError).type, (error as NativeError).what];
        }
      });
      expect(all).toEqual([
        ['int', null],
        ['app::Failure', 'own'],
        ['std::invalid_argument', 'stoi: no conversion'],
        [expect.stringMatching(/^std::__1::basic_string/), null],
        ['app::Failure', 'again'],
      ]);
      expect(f(9)).toBe(5);
      expect(library.func('int uncaught()')()).toBe(0);
      const rejected = await Promise.allSettled(Array.from({ length: 40 }, () => f.async(1)));
      for (const each of rejected) expect((each as PromiseRejectedResult).reason).toBeInstanceOf(NativeError);
    });

    test('a library with libc++ and one with libstdc++ work side by side', async () => {
      const source = `
        #include <stdexcept>
        #include <string>
        extern "C" int f(int n) { try { if (n) throw std::out_of_range(std::to_string(n)); return 0; } catch (const std::exception &e) { return std::stoi(e.what()); } }`;
      const [one, two, three] = [await load(source), await loadLibcxx(source), await load(source)];
      expect([one, two, three].map((each) => each.func('int f(int)')(5))).toEqual([5, 5, 5]);
    });
  });
});
