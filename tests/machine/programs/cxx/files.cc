// <filesystem> and <fstream> in the folder that the first argument names. What is printed holds no
// path of the folder itself, so that it is the same wherever the folder lies.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace fs = std::filesystem;

namespace
{

// A fixed time for what the test leaves behind: it is compared.
const auto some_time = fs::file_time_type::clock::from_sys(
    std::chrono::sys_seconds{std::chrono::sys_days{std::chrono::year{2020} / 5 / 17}});

void say(const char *what, const std::error_code &error)
{
    std::cout << what << ": " << (error ? error.message() : "done") << '\n';
}

void streams(const fs::path &folder)
{
    std::ofstream out(folder / "numbers.txt");
    for (int i = 0; i < 5000; i++)
        out << i << ' ' << i * 0.25 << ' ' << std::hex << i << std::dec << '\n';
    out.close();
    std::ifstream in(folder / "numbers.txt");
    long lines = 0, sum = 0;
    double quarters = 0;
    for (std::string line; std::getline(in, line); lines++) {
        std::istringstream words(line);
        long number, again;
        double quarter;
        words >> number >> quarter >> std::hex >> again;
        sum += number == again ? number : -1000000;
        quarters += quarter;
    }
    std::cout << "read back: " << lines << " lines, " << sum << ", " << quarters << '\n';

    std::fstream both(folder / "binary",
                      std::ios::in | std::ios::out | std::ios::binary | std::ios::trunc);
    std::vector<std::uint64_t> values(4096);
    std::uint64_t state = 88172645463325252;
    for (auto &value : values) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value = state;
    }
    both.write(reinterpret_cast<char *>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(values[0])));
    both.seekp(800);
    both.write("in the middle of it", 19);
    both.seekg(-8, std::ios::end);
    std::uint64_t last = 0;
    both.read(reinterpret_cast<char *>(&last), sizeof(last));
    std::cout << "last value " << (last == values.back() ? "as written" : "wrong") << ", at "
              << both.tellg() << '\n';
    both.seekg(795);
    std::string text(30, '.');
    both.read(text.data(), 30);
    std::cout << "the middle: " << text.substr(5, 19) << '\n';
    std::ifstream missing(folder / "missing");
    std::cout << "missing: " << missing.is_open() << '\n';
    std::ofstream append(folder / "numbers.txt", std::ios::app);
    append << "the end\n";
    append.close();
    std::cout << "appended: " << fs::file_size(folder / "numbers.txt") << " bytes\n";
}

void list(const fs::path &folder)
{
    std::vector<std::string> names;

    for (const auto &entry : fs::recursive_directory_iterator(folder)) {
        std::ostringstream line;
        line << entry.path().lexically_relative(folder).string();
        if (entry.is_symlink())
            line << " -> " << fs::read_symlink(entry.path()).string();
        else if (entry.is_directory())
            line << '/';
        else
            line << ' ' << entry.file_size() << " bytes, " << entry.hard_link_count() << " links";
        names.push_back(line.str());
    }
    std::sort(names.begin(), names.end());
    for (const auto &name : names)
        std::cout << "  " << name << '\n';
}

void trees(const fs::path &folder)
{
    std::error_code error;

    std::cout << "made: " << fs::create_directories(folder / "one/two/three") << '\n';
    std::cout << "made again: " << fs::create_directories(folder / "one/two/three") << '\n';
    for (int i = 0; i < 30; i++)
        std::ofstream(folder / "one" / ("file" + std::to_string(i)))
            << std::string(static_cast<size_t>(i) * 100, 'a');
    std::ofstream(folder / "one/two/three/deep") << "deep\n";
    fs::create_symlink("two/three/deep", folder / "one/link");
    fs::create_symlink("nowhere", folder / "one/broken");
    fs::create_directory_symlink("two", folder / "one/folder-link");
    fs::create_hard_link(folder / "one/file5", folder / "one/hard");
    list(folder / "one");
    std::cout << "equivalent: " << fs::equivalent(folder / "one/file5", folder / "one/hard") << ' '
              << fs::equivalent(folder / "one/file5", folder / "one/file6") << '\n';
    std::cout << "canonical: "
              << fs::canonical(folder / "one/folder-link/three/../three/deep")
                     .lexically_relative(fs::canonical(folder))
                     .string()
              << '\n';
    std::cout << "weakly: "
              << fs::weakly_canonical(folder / "one/no/such/../thing")
                     .lexically_relative(fs::canonical(folder))
                     .string()
              << '\n';
    fs::copy(folder / "one", folder / "copy",
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    list(folder / "copy");
    fs::rename(folder / "copy/file3", folder / "copy/two/moved");
    fs::rename(folder / "copy/file4", folder / "copy/two/moved");
    fs::resize_file(folder / "copy/two/moved", 10);
    fs::permissions(folder / "copy/two/moved", fs::perms::owner_read | fs::perms::group_read);
    std::cout << "permissions: " << std::oct
              << static_cast<unsigned>(fs::status(folder / "copy/two/moved").permissions())
              << std::dec << '\n';
    fs::last_write_time(folder / "copy/two/moved", some_time);
    std::cout << "time kept: " << (fs::last_write_time(folder / "copy/two/moved") == some_time)
              << '\n';
    say("copy over", (fs::copy_file(folder / "one/file7", folder / "one/file8", error), error));
    say("copy over, wanted", (fs::copy_file(folder / "one/file7", folder / "one/file8",
                                            fs::copy_options::overwrite_existing, error),
                              error));
    say("remove a full folder", (fs::remove(folder / "one", error), error));
    say("list nothing", (fs::directory_iterator(folder / "nothing", error), error));
    say("size of a folder's file",
        (static_cast<void>(fs::file_size(folder / "one/file1/x", error)), error));
    say("rename nothing", (fs::rename(folder / "nothing", folder / "something", error), error));
    say("folder over a file", (fs::create_directory(folder / "one/file1", error), error));
    std::cout << "removed: " << fs::remove_all(folder / "one/two") << '\n';
    std::cout << "is there: " << fs::exists(folder / "one/folder-link") << ' '
              << fs::is_symlink(folder / "one/folder-link") << '\n';
    try {
        fs::remove(folder / "one");
    } catch (const fs::filesystem_error &caught) {
        std::cout << "exception: " << caught.code().message() << '\n';
    }
    auto space = fs::space(folder);
    std::cout << "space: " << (space.capacity >= space.free && space.capacity > 0) << '\n';
}

void working_folder(const fs::path &folder)
{
    fs::current_path(folder / "one");
    std::cout << "here: " << fs::current_path().filename().string() << '\n';
    std::ofstream("relative") << "from here\n";
    std::cout << "there: " << fs::file_size("../one/relative") << '\n';
    std::cout << "absolute: " << (fs::absolute("relative") == fs::current_path() / "relative")
              << '\n';
    std::cout << "temporary: " << fs::is_directory(fs::temp_directory_path()) << '\n';
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::cerr << "usage: files FOLDER\n";
        return 2;
    }
    fs::path folder(argv[1]);
    streams(folder);
    trees(folder);
    working_folder(folder);
    return 0;
}
