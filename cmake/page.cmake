# Builds unrolled/view/page.html, the explorer page, from src/unrolled/view/web with Node and npm, in a copy of the sources:
# nothing is written beside them. Only its tools come from the network, from npm's registry and as the lockfile says.

# pip install . -C cmake.define.UNROLLED_PAGE=OFF
option(UNROLLED_PAGE "Build the explorer page where Node is there" ON)
set(UNROLLED_NODE_NEEDED 20.19)
set(PAGE_DIR unrolled/view)
set(web_source "${CMAKE_CURRENT_SOURCE_DIR}/src/unrolled/view/web")
set(web "${CMAKE_CURRENT_BINARY_DIR}/web")

# Python finds the page by this module, and reads there why there is none.
function(install_page_build absence)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/_page_build.py" "ABSENCE = \"${absence}\"\n")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/_page_build.py" DESTINATION ${PAGE_DIR})
endfunction()

# A macro, so that return() leaves this file and no other: what follows each call needs what was missing.
macro(install_without_page reason)
  message(STATUS "Installing without the explorer page: ${reason}")
  install_page_build("${reason}")
  return()
endmacro()

# --- What this machine offers ---------------------------------------------------------------------------------------

if(NOT UNROLLED_PAGE)
  install_without_page("unrolled was installed with UNROLLED_PAGE=OFF")
endif()

# On the path alone: npm looks for Node there too.
find_program(UNROLLED_NODE node NO_CMAKE_SYSTEM_PATH)
find_program(UNROLLED_NPM npm NO_CMAKE_SYSTEM_PATH)
if(NOT UNROLLED_NODE OR NOT UNROLLED_NPM)
  install_without_page("no Node with npm was found on the path")
endif()

execute_process(COMMAND "${UNROLLED_NODE}" --version OUTPUT_VARIABLE node_version OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "^v" "" node_version "${node_version}")
if(NOT node_version VERSION_GREATER_EQUAL UNROLLED_NODE_NEEDED)
  install_without_page("Node ${node_version} is too old")
endif()

# --- Its tools, anew only when the lockfile has changed -------------------------------------------------------------

set(lockfile package.json package-lock.json)
list(TRANSFORM lockfile PREPEND "${web_source}/" OUTPUT_VARIABLE lockfile_source)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${lockfile_source})
set(tools_stamp "${web}/.tools")
set(lockfile_hash "")
foreach(file IN LISTS lockfile_source)
  file(SHA256 "${file}" hash)
  string(APPEND lockfile_hash "${hash}\n")
endforeach()
set(installed_hash "")
if(EXISTS "${tools_stamp}")
  file(READ "${tools_stamp}" installed_hash)
endif()
if(NOT installed_hash STREQUAL lockfile_hash)
  file(COPY ${lockfile_source} DESTINATION "${web}")
  message(STATUS "Fetching the tools that build the explorer page")
  execute_process(
    COMMAND "${UNROLLED_NPM}" ci --include=dev --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000
    WORKING_DIRECTORY "${web}" RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 900)
  if(NOT failed EQUAL 0)
    message(STATUS "npm ci: ${failed}\n${said}")
    install_without_page("npm could not fetch the tools that build it; is there a network")
  endif()
  file(WRITE "${tools_stamp}" "${lockfile_hash}")
endif()

# --- The page: an error in its own sources stays an error -----------------------------------------------------------

file(GLOB web_settings CONFIGURE_DEPENDS "${web_source}/*.html" "${web_source}/*.js" "${web_source}/*.ts"
  "${web_source}/tsconfig*.json")
file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS "${web_source}/src/*")
add_custom_command(
  OUTPUT "${web}/dist/index.html"
  COMMAND "${CMAKE_COMMAND}" -E rm -rf "${web}/src" "${web}/dist"
  COMMAND "${CMAKE_COMMAND}" -E copy_directory "${web_source}/src" "${web}/src"
  COMMAND "${CMAKE_COMMAND}" -E copy ${web_settings} "${web}"
  COMMAND "${UNROLLED_NPM}" run build
  WORKING_DIRECTORY "${web}"
  DEPENDS ${web_settings} ${web_sources} "${tools_stamp}"
  COMMENT "Building the explorer page"
  VERBATIM)
add_custom_target(page ALL DEPENDS "${web}/dist/index.html")
install(FILES "${web}/dist/index.html" DESTINATION ${PAGE_DIR} RENAME page.html)
install_page_build("")
