# find_package(aaren_streaming) gives aaren::streaming, the shared library, and aaren::streaming_static.
get_filename_component(aaren_streaming_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET aaren::streaming)
  add_library(aaren::streaming SHARED IMPORTED)
  set_target_properties(aaren::streaming PROPERTIES
    IMPORTED_LOCATION "${aaren_streaming_prefix}/lib/libaaren_streaming_c${CMAKE_SHARED_LIBRARY_SUFFIX}"
    IMPORTED_NO_SONAME TRUE
    INTERFACE_INCLUDE_DIRECTORIES "${aaren_streaming_prefix}/include")
  add_library(aaren::streaming_static STATIC IMPORTED)
  set_target_properties(aaren::streaming_static PROPERTIES
    IMPORTED_LOCATION "${aaren_streaming_prefix}/lib/libaaren_streaming_c.a"
    INTERFACE_INCLUDE_DIRECTORIES "${aaren_streaming_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
